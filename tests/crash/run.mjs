// kill -9 under load, again and again, and after each: is everything recorded that took effect?
//
//   node tests/crash/run.mjs [--cycles 200] [--seed N] [--verify-every 10] [--keep]
//
// A cycle starts the gateway on the ledger that the last one left, drives it over keep-alive
// connections with whole and streamed answers, and kills it at a random moment: mostly under load,
// now and then while it starts or while it drains. After the next start it demands:
//   - every exchange of which the client got a byte, or the upstream a request, has its prompt record;
//   - every exchange whose answer the client got completely has its answer record;
//   - every exchange that was begun is closed exactly once, as answered, failed or interrupted;
//   - sequence numbers have no gap over all cycles, and `weir audit verify` exits 0.
// Exits 0 when all of it held, 1 with the cycle and the seed when not.
import {spawn} from 'node:child_process';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {parseArgs} from 'node:util';

import {asEvents, chunks, completion} from '../e2e/fake_upstream.mjs';
import {configText, environment, freePorts, keys, root, runWeir, until, weirProgram} from '../e2e/gateway_under_test.mjs';

const {values: options} = parseArgs({options: {
  cycles: {type: 'string', default: '200'}, seed: {type: 'string'}, keep: {type: 'boolean', default: false},
  'verify-every': {type: 'string', default: '10'}, connections: {type: 'string', default: '8'}}});
const cycles = Number(options.cycles);
const seed = Number(options.seed ?? process.env.WEIR_SEED ?? Date.now() % 1_000_000_007);
const verifyEvery = Number(options['verify-every']);

// A small generator with a seed, so that a failing run can be run again (mulberry32).
let state = seed >>> 0;
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const between = (low, high) => low + Math.floor(random() * (high - low));

const texts = ['清晨的河水慢慢流过堤坝，老人坐在岸边看书。', '电话是13812345678，请记下。', '这里有禁用词语，应当停下。'];
const prompts = ['你好', '请介绍一下黄河', '我的电话是13912345678', '请写一段禁用词语'];

// The upstream: answers at once, and remembers which exchanges reached it. Weir passes its own
// exchange id on as x-request-id when the client sent none.
const reached = new Set();
const upstream = http.createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    reached.add(request.headers['x-request-id']);
    const body = JSON.parse(Buffer.concat(pieces));
    const choice = [{text: texts[body.messages[0].content.length % texts.length]}];
    if (!body.stream) {
      response.writeHead(200, {'content-type': 'application/json'});
      response.end(JSON.stringify(completion(body, choice)));
      return;
    }
    response.writeHead(200, {'content-type': 'text/event-stream'});
    const events = asEvents(chunks(body, choice, {size: 4}));
    const write = (at) => {
      if (response.destroyed) return;
      if (at === events.length) {
        response.end('data: [DONE]\n\n');
      } else {
        response.write(events[at]);
        setImmediate(write, at + 1);
      }
    };
    write(0);
  });
  response.on('error', () => {});
});
upstream.keepAliveTimeout = 60_000;

// One connection that asks for one answer after another until it is gone.
class Asker {
  constructor(port, seen) {
    this.seen = seen;  // exchange id -> 'begun' | 'complete'
    this.text = '';
    this.socket = net.connect({port, host: '127.0.0.1', noDelay: true});
    this.socket.setEncoding('latin1');
    this.socket.on('connect', () => this.ask());
    this.socket.on('data', (text) => { this.text += text; this.read(); });
    this.socket.on('error', () => {});
    this.gone = new Promise((resolve) => this.socket.on('close', resolve));
  }
  ask() {
    const body = JSON.stringify({model: 'test-model', stream: random() < 0.5,
      messages: [{role: 'user', content: prompts[between(0, prompts.length)]}]});
    this.socket.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: weir\r\nAuthorization: Bearer ${keys.refusal}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }
  read() {
    const end = this.text.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.text.slice(0, end).toLowerCase();
    const id = /x-weir-decision: (\S+)/.exec(head)?.[1];
    const status = Number(head.slice(9, 12));
    if (!id || status >= 500) {
      // A 503 of a ledger that closes, or anything else that is not an answer, would be a finding.
      problem(`an answer without decision or with status ${status}: ${this.text.slice(0, 300)}`);
      this.socket.destroy();
      return;
    }
    this.seen.set(id, 'begun');
    const length = /content-length: (\d+)/.exec(head)?.[1];
    const complete = length === undefined ? this.text.endsWith('\r\n0\r\n\r\n') :
      this.text.length >= end + 4 + Number(length);
    if (!complete) return;
    this.seen.set(id, 'complete');
    this.text = '';
    this.ask();
  }
}

const problems = [];
const problem = (text) => problems.push(text);
const total = {begun: 0, complete: 0, interrupted: 0, records: 0, startMs: []};

function start(configFile) {
  const child = spawn(weirProgram, ['serve', '--config', configFile],
      {cwd: root, env: {...process.env, ...environment}, stdio: ['ignore', 'ignore', 'pipe']});
  child.log = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text) => child.log = (child.log + text).slice(-4000));
  child.ended = new Promise((resolve) => child.once('exit', resolve));
  return child;
}

// Ready is when the data port accepts: asked by connecting, which costs the gateway nothing.
async function ready(child, port) {
  const begun = Date.now();
  await until(() => {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the gateway did not start again: ${child.log}`);
    }
    return new Promise((resolve) => {
      const probe = net.connect({port, host: '127.0.0.1'});
      probe.on('connect', () => { probe.destroy(); resolve(true); });
      probe.on('error', () => resolve(false));
    });
  }, 'the gateway accepts connections');
  total.startMs.push(Date.now() - begun);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function load(port, child) {
  const seen = new Map();
  const askers = Array.from({length: Number(options.connections)}, () => new Asker(port, seen));
  const kind = random();
  await pause(between(5, 250));
  if (kind < 0.1) {
    child.kill('SIGTERM');  // killed while it drains
    await pause(between(0, 40));
  }
  child.kill('SIGKILL');
  await child.ended;
  await Promise.all(askers.map((asker) => asker.gone));
  return seen;
}

async function recordsSince(folder, from) {
  const {code, out, err} = await runWeir(['audit', 'query', '--json', '--dir', `${folder}/audit`,
    '--from', from, '--limit', '100000']);
  if (code !== 0) throw new Error(`weir audit query ended with ${code}: ${err}`);
  return out.split('\n').filter(Boolean).map((line) => JSON.parse(line)).reverse();
}

// Everything that a cycle must have left behind, against what the client and the upstream saw.
function check(records, seen, upstreamSaw, nextSeq) {
  records.forEach((record, i) => {
    if (record.seq !== nextSeq + i) problem(`record ${nextSeq + i} is missing; ${record.seq} stands there`);
  });
  const kinds = new Map();
  for (const record of records) {
    if (!record.exchange) continue;
    kinds.set(record.exchange, [...kinds.get(record.exchange) ?? [], record.kind]);
    if (record.kind === 'interrupted') ++total.interrupted;
  }
  for (const [id, list] of kinds) {
    const ends = list.filter((kind) => kind !== 'prompt').length;
    if (list[0] !== 'prompt' || ends !== 1 || list.length !== 2) problem(`exchange ${id} is recorded as ${list}`);
  }
  for (const [id, state] of seen) {
    const list = kinds.get(id) ?? [];
    if (!list.includes('prompt')) problem(`the client got bytes of ${id}, which has no prompt record`);
    if (state === 'complete' && !list.includes('answer')) {
      problem(`the client got all of ${id}, which has no answer record but ${list}`);
    }
    ++total.begun;
    if (state === 'complete') ++total.complete;
  }
  for (const id of upstreamSaw) {
    if (!(kinds.get(id) ?? []).includes('prompt')) problem(`the upstream got ${id}, which has no prompt record`);
  }
}

async function verify(folder) {
  const {code, out, err} = await runWeir(['audit', 'verify', '--dir', `${folder}/audit`]);
  if (code !== 0) problem(`weir audit verify exits ${code}: ${out}${err}`);
}

const folder = await mkdtemp(path.join(tmpdir(), 'weir-crash-'));
await new Promise((resolve) => upstream.listen(0, '127.0.0.1', resolve));
const [port, adminPort] = await freePorts(2);
const configFile = path.join(folder, 'weir.yaml');
await writeFile(configFile, configText({port, adminPort, folder,
  upstreamUrl: `http://127.0.0.1:${upstream.address().port}/v1`}));
console.log(`crash: ${cycles} cycles, seed ${seed}, ledger in ${folder}`);

const begun = Date.now();
let nextSeq = 0;
let from = new Date(begun - 1000).toISOString();
let seen = new Map();
let cycle = 0;
try {
  for (; cycle <= cycles && problems.length === 0; ++cycle) {
    const child = start(configFile);
    if (cycle > 0 && cycle < cycles && random() < 0.1) {
      await pause(between(0, 30));  // killed while it starts, on what the last cycle left
      child.kill('SIGKILL');
      await child.ended;
      continue;
    }
    await ready(child, port);
    const records = await recordsSince(folder, from);
    const fresh = records.filter((record) => record.seq >= nextSeq);
    check(fresh, seen, reached, nextSeq);
    nextSeq += fresh.length;
    total.records = nextSeq;
    seen = new Map();
    reached.clear();
    if (cycle % verifyEvery === 0 || cycle === cycles || problems.length > 0) await verify(folder);
    if (cycle === cycles) {
      child.kill('SIGTERM');
      if (await child.ended !== 0) problem(`SIGTERM ends with ${child.exitCode}: ${child.log}`);
      break;
    }
    // A record is never older than the one before it, so this cycle's are not older than now.
    from = fresh.length > 0 ? fresh.at(-1).time : from;
    seen = await load(port, child);
    if (cycle % 25 === 24) console.log(`crash: ${cycle + 1} cycles, ${total.complete} complete answers, ${total.records} records`);
  }
} catch (error) {
  problem(error.stack);
}
upstream.closeAllConnections();
upstream.close();

const starts = total.startMs.sort((a, b) => a - b);
console.log(`crash: ${Math.min(cycle, cycles)} kills in ${((Date.now() - begun) / 1000).toFixed(0)} s, ${total.begun} exchanges begun at the client, ` +
    `${total.complete} complete, ${total.interrupted} closed as interrupted, ${total.records} records; ` +
    `start p50 ${starts[starts.length >> 1]} ms, max ${starts.at(-1)} ms`);
if (problems.length > 0) {
  console.error(`crash: cycle ${cycle}, seed ${seed}, ledger kept in ${folder}\n${problems.slice(0, 20).join('\n')}`);
  process.exit(1);
}
if (total.complete < cycles) {
  console.error(`crash: only ${total.complete} complete answers: the load never got through`);
  process.exit(1);
}
if (!options.keep) await rm(folder, {recursive: true, force: true});
