// The gateway under load while its ledger fails, in each way that a disk, an operator or a clock
// can fail it, and after it.
//
// A case breaks the ledger of a running gateway under load. From the moment that the gateway
// notices, at most a second later: every new exchange is answered 503 in its dialect, not one byte
// reaches the upstream, /readyz says why. Then the case mends what it broke, and what must follow:
//   recovers  the gateway serves again by itself
//   stays     it stays closed, and says what a person has to do; `repair` is that person, after
//             which the gateway starts again
//   serves    nothing fails at all
// In the end all that clients and the upstream saw is recorded, every exchange is closed once, and
// `weir audit verify` exits 0. What needs a mount is skipped where this user may not.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {closeSync, openSync, writeSync} from 'node:fs';
import {copyFile, cp, mkdir, open, readdir, readFile, readlink, rename, rm, truncate, writeFile} from 'node:fs/promises';
import path from 'node:path';
import {describe, it} from 'node:test';

import {Gateway, get, Scope, temporaryFolder, until, weirProgram} from '../e2e/gateway_under_test.mjs';
import {Asker, contradictions, CountingUpstream, randomFrom} from './load.mjs';

const kConnections = 24;
const kNoticeMs = 1000;
const kSchedulingMs = 500;  // what two busy cores may add to it
const preload = path.join(path.dirname(weirProgram), 'tests/crash/libfaulty_disk.so');
const store = ['ledger.db', 'ledger.db-wal', 'ledger.db-shm'];
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const seed = Number(process.env.WEIR_SEED ?? Date.now() % 1_000_000_007);

// What tests/crash/faulty_disk.cc does from now on: CALLS NUMBER PATH; nothing: all is well.
async function fail(world, plan = '') {
  const file = await open(world.control, 'r+');
  await file.write(plan.padEnd(255, ' '), 0);
  await file.close();
}
const shim = (name, plan, more) => ({name, preload: true, break: (world) => fail(world, plan),
  mend: (world) => fail(world), ...more});

async function moveStore(world, from, to) {
  await mkdir(to, {recursive: true});
  for (const name of store) await rename(path.join(from, name), path.join(to, name));
}

function fillDisk(file, leaveBytes) {
  const descriptor = openSync(file, 'w');
  let free = Infinity;
  try {
    for (const size of [1 << 20, 1 << 12]) {
      try {
        const room = () => Number(execFileSync('df', ['--output=avail', '-B1', path.dirname(file)]).toString().split('\n')[1]);
        for (free = leaveBytes > 0 ? room() : Infinity; free > leaveBytes + size; free -= size) writeSync(descriptor, Buffer.alloc(size));
      } catch (error) {
        if (error.code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(descriptor);
  }
}

// The deleted files that a process has open, as an operator finds them.
async function deletedFiles(pid) {
  const found = {};
  for (const number of await readdir(`/proc/${pid}/fd`)) {
    const link = await readlink(`/proc/${pid}/fd/${number}`).catch(() => '');
    const name = /\/(ledger\.db[^/ ]*) \(deleted\)$/.exec(link)?.[1];
    if (name) found[name] = `/proc/${pid}/fd/${number}`;
  }
  return found;
}

const cases = [
  {name: 'the disk is full', disk: '24m', audit: ', free_bytes_min: 0', reason: /full/,
    break: (world) => fillDisk(world.filler, 0), mend: (world) => rm(world.filler)},
  {name: 'the disk is below its low-water mark', disk: '64m', audit: ', free_bytes_min: 16777216', reason: /nearly full/, staysOpen: true,
    break: (world) => fillDisk(world.filler, 8 << 20), mend: (world) => rm(world.filler)},
  {name: 'a file may not grow beyond a limit of the process', reason: /store failed/,
    break: (world) => execFileSync('prlimit', ['--fsize=65536:', '--pid', String(world.gateway.child.pid)]),
    mend: (world) => execFileSync('prlimit', ['--fsize=unlimited:', '--pid', String(world.gateway.child.pid)])},
  shim('writes fail with EIO', 'w 5 /audit/ledger.db', {reason: /store failed/}),
  shim('the disk becomes read-only', 'wo 30 /audit/', {reason: /store failed/}),
  {name: 'the folder is mounted read-only', mount: true, reason: /Read-only|read-only|readonly/,
    break: (world) => {
      execFileSync('mount', ['--bind', world.audit, world.audit]);
      execFileSync('mount', ['-o', 'remount,bind,ro', world.audit]);
    },
    mend: (world) => execFileSync('umount', [world.audit])},
  {name: 'the store is moved away', reason: /moved away/,
    break: (world) => moveStore(world, world.audit, world.aside), mend: (world) => moveStore(world, world.aside, world.audit)},
  {name: 'the whole folder is moved away', reason: /moved away/,
    break: (world) => rename(world.audit, world.aside), mend: (world) => rename(world.aside, world.audit)},
  {name: 'the store is swapped for another', reason: /replaced/,
    break: async (world) => {
      await rename(path.join(world.audit, 'ledger.db'), world.aside);
      await writeFile(path.join(world.audit, 'ledger.db'), '');
    },
    mend: (world) => rename(world.aside, path.join(world.audit, 'ledger.db'))},
  {name: 'the store is deleted', reason: /can be copied from \/proc\/\d+\/fd/, outcome: 'stays',
    break: async (world) => { for (const name of store) await rm(path.join(world.audit, name)); },
    beforeStop: async (world) => {
      const files = await deletedFiles(world.gateway.child.pid);
      await mkdir(world.aside);
      for (const name of ['ledger.db', 'ledger.db-wal']) await copyFile(files[name], path.join(world.aside, name));
    },
    repair: (world) => cp(world.aside, world.audit, {recursive: true})},
  {name: 'the store is rolled back', copyFirst: true, reason: /replaced/, outcome: 'stays', refusesToStart: /rolled back/,
    break: async (world) => {
      await moveStore(world, world.audit, world.aside);
      await cp(world.copy, world.audit, {recursive: true});
    },
    repair: async (world) => {
      for (const name of store) await rm(path.join(world.audit, name), {force: true});
      await moveStore(world, world.aside, world.audit);
    }},
  {name: 'the log is cut', reason: /cut or overwritten[^]*A person has to look/, outcome: 'stays', refusesToStart: /lost|rolled back/, lost: true,
    break: (world) => truncate(path.join(world.audit, 'ledger.db-wal'), 32)},
  shim('a sync fails', 's 5 /audit/ledger.db', {reason: /A person has to look/, outcome: 'stays', repair: () => {}}),
  shim('the clock goes back by an hour', 'c -3600 x', {outcome: 'serves'}),
  shim('the clock goes ahead by a day, and back', 'c 86400 x', {outcome: 'serves'}),
];

// Everything of one case: a gateway on a ledger of its own, an upstream, and connections that ask.
class World {
  static async start(t, given) {
    const world = new World();
    const scope = new Scope();
    t.after(() => scope.end());
    world.seen = new Map();  // answers by exchange, and those without one under their moment
    world.folder = await temporaryFolder(scope);
    world.audit = path.join(world.folder, 'audit');
    world.aside = path.join(world.folder, 'aside');
    world.copy = path.join(world.folder, 'copy');
    world.control = path.join(world.folder, 'faults');
    world.filler = path.join(world.audit, 'filler');
    await writeFile(world.control, ''.padEnd(256, ' '));
    await mkdir(world.audit);
    if (given.disk) {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${given.disk}`, 'none', world.audit]);
      scope.after(() => execFileSync('umount', ['-l', world.audit]));
    }
    world.upstream = await CountingUpstream.start({delayMs: 3});
    scope.after(() => world.upstream.stop());
    const env = given.preload ? {WEIR_FAULTS: world.control, LD_PRELOAD: preload,
      ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:verify_asan_link_order=0`} : {};
    world.gateway = await Gateway.start(scope, {folder: world.folder, upstreamUrl: world.upstream.url, audit: given.audit, env});
    scope.after(() => world.askers?.forEach((asker) => asker.socket.destroy()));
    return world;
  }

  ask(count) {
    const random = randomFrom(seed);
    this.asking = true;
    this.answers = [];
    this.askers = Array.from({length: count}, () => new Asker({port: this.gateway.port, random,
      answered: async (answer) => {
        this.answers.push(answer);
        if (answer.id) this.seen.set(answer.id, answer);
        if (answer.status === 503) await pause(20);  // as a client does that tries again
        return this.asking;
      }}));
  }
  async stopAsking() {
    this.asking = false;
    await Promise.all(this.askers.map((asker) => asker.gone));
  }

  async ready() { return get(`${this.gateway.admin}/readyz`); }
  async metric(name) {
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec((await get(`${this.gateway.admin}/metrics`)).body)?.[1]);
  }
}

// From the break to the mending; returns when the gateway noticed.
async function breakIt(world, given) {
  const broken = Date.now();
  await given.break(world);
  const refused = () => world.answers.find((answer) => answer.status === 503);
  await until(refused, `it is noticed that ${given.name}`);
  const noticed = refused().ended;
  assert.ok(noticed - broken <= kNoticeMs + kSchedulingMs, `it took ${noticed - broken} ms to notice that ${given.name}`);
  await pause(400);

  const readyz = await world.ready();
  assert.equal(readyz.status, 503);
  assert.match(readyz.body, given.reason);
  return {noticed, afterMs: noticed - broken, readyz: readyz.body};
}

// No exchange that began after the gateway had noticed had any effect.
function checkRefusals(world, noticed, until) {
  const later = world.answers.filter((answer) => answer.begun > noticed && answer.ended < until);
  assert.ok(later.length > 0);
  for (const answer of later) {
    assert.equal(answer.status, 503, answer.body);
    const {error} = JSON.parse(answer.body);
    assert.equal(error.type, 'server_error');
    assert.equal(error.code, 'audit_unavailable');
    assert.match(error.message, /ledger/);
  }
  const upstream = [...world.upstream.reached.values()].filter((at) => at > noticed + 50 && at < until);
  assert.equal(upstream.length, 0, `${upstream.length} requests reached the upstream`);
  return later.length;
}

async function checkRecords(t, world, given) {
  const records = await world.gateway.records();
  if (!given.lost) assert.deepEqual(contradictions(records, world.seen, world.upstream.reached), []);
  for (let i = 1; i < records.length; ++i) {
    assert.equal(records[i].seq, i);
    assert.ok(records[i].time >= records[i - 1].time, `record ${i} is older than the one before it`);
  }
  const verified = await world.gateway.verify();
  assert.equal(verified.code, 0, verified.out + verified.err);
  return records;
}

describe(`the ledger fails under load (seed ${seed})`, () => {
  let mounts = true;
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt'], {stdio: 'ignore'});
  } catch {
    mounts = false;
  }
  for (const given of cases) {
    const skip = (given.disk || given.mount) && !mounts ? 'this user may not mount' : false;
    it(given.name, {skip}, async (t) => {
      const outcome = given.outcome ?? 'recovers';
      const world = await World.start(t, given);
      world.ask(kConnections);
      await until(() => world.answers.length > 100, 'answers come');
      if (given.copyFirst) {
        await mkdir(world.copy);
        for (const name of store) await copyFile(path.join(world.audit, name), path.join(world.copy, name));
      }
      if (given.refusesToStart) {
        // What no checkpoint covers yet, only the gateway that acknowledged it can miss.
        const file = path.join(world.audit, 'ledger.checkpoint');
        const first = await readFile(file, 'utf8');
        await until(async () => await readFile(file, 'utf8') !== first, 'a checkpoint covers what will be missed');
      }
      await until(() => world.answers.length > 300, 'answers come');

      if (outcome === 'serves') {
        await given.break(world);
        await pause(700);
        await given.mend(world);
        await pause(700);
        await world.stopAsking();
        assert.ok(world.answers.every((answer) => answer.status < 500 && answer.done));
        await world.gateway.stop();
        const records = await checkRecords(t, world, given);
        return t.diagnostic(`${world.answers.length} answers, ${records.length} records`);
      }

      const {noticed, afterMs, readyz} = await breakIt(world, given);
      const mending = Date.now();
      if (given.mend) await given.mend(world);
      let sentence;
      if (outcome === 'recovers') {
        const served = () => world.answers.find((answer) => answer.begun > mending && answer.status < 500 && answer.done);
        await until(served, 'it serves again');
        const refused = checkRefusals(world, noticed, mending);
        sentence = `noticed after ${afterMs} ms, ${refused} refused, 0 upstream, served again ${served().ended - mending} ms after it was mended`;
        await pause(200);
        assert.equal((await world.ready()).status, 200);
        await world.stopAsking();
        await world.gateway.stop();
        assert.equal(world.gateway.code, 0, world.gateway.log);
      } else {
        await pause(600);  // it is not tried again
        assert.equal((await world.ready()).status, 503);
        const refused = checkRefusals(world, noticed, Date.now());
        sentence = `noticed after ${afterMs} ms, ${refused} refused, 0 upstream, stays closed`;
        await world.stopAsking();
        if (given.beforeStop) await given.beforeStop(world);
        await world.gateway.stop();
        if (given.refusesToStart) await assert.rejects(world.gateway.spawn(), given.refusesToStart);
        if (given.lost) return t.diagnostic(sentence);
        await given.repair(world);
        await world.gateway.spawn();
        await world.gateway.stop();
        assert.match(readyz, given.reason);
      }
      const records = await checkRecords(t, world, given);
      if (outcome === 'recovers') {
        const again = records.some((record) => /opened again by itself/.test(record.detail));
        assert.equal(again, !given.staysOpen, 'the opening is recorded');
      }
      t.diagnostic(`${sentence}; ${world.answers.length} answers, ${records.length} records, ` +
        `${records.filter((record) => record.kind === 'interrupted').length} interrupted`);
    });
  }
});
