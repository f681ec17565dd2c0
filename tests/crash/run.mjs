// kill -9 under load, again and again, and after each: is everything recorded that took effect?
//
//   node tests/crash/run.mjs [--cycles 1000] [--lanes 2] [--seed N] [--verify-every 25] [--keep]
//
// Lanes run at the same time, each with a gateway, an upstream and a ledger of its own, and share
// the cycles. A cycle starts the gateway on the ledger that the last one left, drives it over
// keep-alive connections with whole and streamed answers, and kills it at a random moment: mostly
// under load, now and then while it starts or while it drains. After the next start it demands:
//   - every exchange of which the client got a byte, or the upstream a request, has its prompt record;
//   - every exchange whose answer the client got completely has its answer record;
//   - every exchange that was begun is closed exactly once, as answered, failed or interrupted;
//   - sequence numbers have no gap over all cycles, and `weir audit verify` exits 0.
// Exits 0 when all of it held, 1 with the cycle and the seed when not.
import {spawn} from 'node:child_process';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import net from 'node:net';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {parseArgs} from 'node:util';

import {configText, environment, freePorts, root, runWeir, until, weirProgram} from '../e2e/gateway_under_test.mjs';
import {Asker, contradictions, CountingUpstream, randomFrom} from './load.mjs';

const {values: options} = parseArgs({options: {
  cycles: {type: 'string', default: '1000'}, lanes: {type: 'string', default: '2'}, seed: {type: 'string'},
  keep: {type: 'boolean', default: false}, 'verify-every': {type: 'string', default: '25'},
  connections: {type: 'string', default: '8'}}});
const cycles = Number(options.cycles);
const seed = Number(options.seed ?? process.env.WEIR_SEED ?? Date.now() % 1_000_000_007);
const verifyEvery = Number(options['verify-every']);

const problems = [];
const total = {kills: 0, begun: 0, complete: 0, interrupted: 0, records: 0, startMs: []};
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// One gateway and its ledger, from kill to kill.
class Lane {
  static async open(number) {
    const lane = new Lane();
    lane.random = randomFrom(seed + number);
    lane.problem = (text) => problems.push(`lane ${number}, cycle ${lane.cycle}: ${text}`);
    lane.folder = await mkdtemp(path.join(tmpdir(), 'weir-crash-'));
    lane.upstream = await CountingUpstream.start();
    const [port, adminPort] = await freePorts(2);
    lane.port = port;
    lane.configFile = path.join(lane.folder, 'weir.yaml');
    await writeFile(lane.configFile, configText({port, adminPort, folder: lane.folder, upstreamUrl: lane.upstream.url}));
    lane.seen = new Map();
    lane.nextSeq = 0;
    lane.from = new Date(Date.now() - 1000).toISOString();
    return lane;
  }

  async run(count) {
    for (this.cycle = 0; this.cycle <= count && problems.length === 0; ++this.cycle) {
      const child = this.start();
      if (this.cycle > 0 && this.cycle < count && this.random() < 0.1) {
        await pause(this.between(0, 30));  // killed while it starts, on what the last cycle left
        await this.kill(child);
        continue;
      }
      await this.ready(child);
      await this.check();
      if (this.cycle % verifyEvery === 0 || this.cycle === count || problems.length > 0) await this.verify();
      if (this.cycle === count) {
        child.kill('SIGTERM');
        if (await child.ended !== 0) this.problem(`SIGTERM ends with ${child.exitCode}: ${child.log}`);
      } else {
        await this.load(child);
      }
    }
    this.upstream.stop();
  }

  between(low, high) { return low + Math.floor(this.random() * (high - low)); }

  start() {
    const child = spawn(weirProgram, ['serve', '--config', this.configFile],
        {cwd: root, env: {...process.env, ...environment}, stdio: ['ignore', 'ignore', 'pipe']});
    child.log = '';
    child.stderr.setEncoding('utf8');
    child.stderr.on('data', (text) => child.log = (child.log + text).slice(-4000));
    child.ended = new Promise((resolve) => child.once('exit', resolve));
    return child;
  }
  async kill(child) {
    child.kill('SIGKILL');
    await child.ended;
    if (++total.kills % 100 === 0) {
      console.log(`crash: ${total.kills} kills, ${total.complete} complete answers, ${total.records} records`);
    }
  }

  // Ready is when the data port accepts: asked by connecting, which costs the gateway nothing.
  async ready(child) {
    const begun = Date.now();
    await until(() => {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`the gateway did not start again: ${child.log}`);
      }
      return new Promise((resolve) => {
        const probe = net.connect({port: this.port, host: '127.0.0.1'});
        probe.on('connect', () => { probe.destroy(); resolve(true); });
        probe.on('error', () => resolve(false));
      });
    }, 'the gateway accepts connections');
    total.startMs.push(Date.now() - begun);
  }

  async load(child) {
    const answered = (answer) => {
      if (!answer.id || answer.status >= 500) {
        // A 503 of a ledger that closes, or anything else that is not an answer, is a finding.
        if (answer.complete) this.problem(`an answer without decision or with status ${answer.status}: ${answer.body}`);
        return false;
      }
      this.seen.set(answer.id, answer);
      ++total.begun;
      if (answer.done) ++total.complete;
      return true;
    };
    const askers = Array.from({length: Number(options.connections)},
        () => new Asker({port: this.port, random: this.random, answered}));
    const drains = this.random() < 0.1;
    await pause(this.between(5, 150));
    if (drains) {
      child.kill('SIGTERM');  // killed while it drains
      await pause(this.between(0, 40));
    }
    await this.kill(child);
    await Promise.all(askers.map((asker) => asker.gone));
  }

  // Everything that the last cycles have left, against what the client and the upstream saw.
  async check() {
    const {code, out, err} = await runWeir(['audit', 'query', '--json', '--dir', `${this.folder}/audit`,
      '--from', this.from, '--limit', '100000']);
    if (code !== 0) throw new Error(`weir audit query ended with ${code}: ${err}`);
    const records = out.split('\n').filter(Boolean).map((line) => JSON.parse(line)).reverse()
        .filter((record) => record.seq >= this.nextSeq);
    records.forEach((record, i) => {
      if (record.seq !== this.nextSeq + i) this.problem(`record ${this.nextSeq + i} is missing; ${record.seq} stands there`);
    });
    contradictions(records, this.seen, this.upstream.reached).forEach(this.problem);
    this.nextSeq += records.length;
    total.records += records.length;
    total.interrupted += records.filter((record) => record.kind === 'interrupted').length;
    // A record is never older than the one before it, so what comes is not older than the last.
    this.from = records.at(-1)?.time ?? this.from;
    this.seen = new Map();
    this.upstream.reached.clear();
  }

  async verify() {
    const {code, out, err} = await runWeir(['audit', 'verify', '--dir', `${this.folder}/audit`]);
    if (code !== 0) this.problem(`weir audit verify exits ${code}: ${out}${err}`);
  }
}

const begun = Date.now();
const lanes = await Promise.all(Array.from({length: Math.min(Number(options.lanes), cycles)}, (_, number) => Lane.open(number)));
console.log(`crash: ${cycles} cycles, seed ${seed}, ledgers in ${lanes.map((lane) => lane.folder).join(' ')}`);
await Promise.all(lanes.map((lane, number) =>
  lane.run(Math.floor(cycles / lanes.length) + (number < cycles % lanes.length ? 1 : 0))
      .catch((error) => lane.problem(error.stack))));

const starts = total.startMs.sort((a, b) => a - b);
console.log(`crash: ${total.kills} kills in ${((Date.now() - begun) / 1000).toFixed(0)} s, ${total.begun} exchanges begun at the client, ` +
    `${total.complete} complete, ${total.interrupted} closed as interrupted, ${total.records} records, ` +
    `${problems.length === 0 ? 'none lost' : 'with problems'}; start p50 ${starts[starts.length >> 1]} ms, max ${starts.at(-1)} ms`);
if (problems.length > 0) {
  console.error(`crash: seed ${seed}, ledgers kept in ${lanes.map((lane) => lane.folder).join(' ')}\n${problems.slice(0, 20).join('\n')}`);
  process.exit(1);
}
if (total.complete < cycles) {
  console.error(`crash: only ${total.complete} complete answers: the load never got through`);
  process.exit(1);
}
if (!options.keep) {
  for (const lane of lanes) await rm(lane.folder, {recursive: true, force: true});
}
