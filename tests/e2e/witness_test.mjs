// The ledger as strangers see it: a witness that a regulator runs cosigns a running gateway's
// checkpoints, and Go's golang.org/x/mod/sumdb, which shares no code with us, reads the tiles over
// HTTP, checks the cosignature and drives the witness. Needs golang-go and golang-golang-x-mod-dev.
import assert from 'node:assert/strict';
import {execFileSync, spawn, spawnSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {existsSync} from 'node:fs';
import {readFile, writeFile} from 'node:fs/promises';
import path from 'node:path';
import {describe, it} from 'node:test';
import {Gateway, freePorts, get, keys, root, runWeir, temporaryFolder, until, weirProgram} from './gateway_under_test.mjs';

const verifyProgram = path.join(path.dirname(weirProgram), 'weir-verify');
const hasGo = existsSync('/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog') && spawnSync('go', ['version']).status === 0;
const skip = hasGo ? false : 'needs the packages golang-go and golang-golang-x-mod-dev';

function buildGo(folder, name) {
  const program = path.join(folder, name);
  execFileSync('go', ['build', '-o', program, path.join(root, 'tests/vectors', name, 'main.go')],
      {env: {...process.env, HOME: folder, GO111MODULE: 'off', GOFLAGS: '', GOPATH: '/usr/share/gocode'}});
  return program;
}

const run = (program, ...args) => runWeir(args, {program});

async function startWitness(t, folder, port, logKey) {
  const child = spawn(verifyProgram, ['witness', '--listen', `127.0.0.1:${port}`, '--log', logKey,
    '--key', path.join(folder, 'witness.key'), '--state', path.join(folder, 'witness.state')], {stdio: ['ignore', 'pipe', 'pipe']});
  let said = '';
  child.stdout.on('data', (text) => said += text);
  child.stderr.on('data', (text) => said += text);
  t.after(() => child.kill('SIGTERM'));
  await until(() => {
    assert.equal(child.exitCode, null, said);
    return said.includes('listens on port');
  }, 'the witness listens');
  return child;
}

describe('a witness', {skip}, () => {
  it('answers a Go client as the specification says, also after kill -9', async (t) => {
    const folder = await temporaryFolder(t);
    const go = buildGo(folder, 'witness');
    const made = await run(verifyProgram, 'keygen', 'witness.example/e2e', path.join(folder, 'witness.key'));
    assert.equal(made.code, 0, made.err);
    const log = await run(go, 'keygen', path.join(folder, 'log.key'));
    const [port] = await freePorts(1);
    const child = await startWitness(t, folder, port, log.out.trim());
    const url = `http://127.0.0.1:${port}`;
    const driven = await run(go, 'drive', url, made.out.trim(), path.join(folder, 'log.key'));
    assert.equal(driven.code, 0, driven.out + driven.err);
    // What it signed it remembers.
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    await startWitness(t, folder, port, log.out.trim());
    const digest = createHash('sha256').update('go.example/log').digest('hex');
    assert.match((await get(`${url}/${digest}/checkpoint`)).body, /^go\.example\/log\n400\n/);
  });

  it('cosigns a gateway, whose tiles Go reads over HTTP', async (t) => {
    const folder = await temporaryFolder(t);
    const go = buildGo(folder, 'sumdb');
    const made = await run(verifyProgram, 'keygen', 'witness.example/e2e', path.join(folder, 'witness.key'));
    const witnessKey = made.out.trim();
    const [port] = await freePorts(1);
    const token = 'a-token-of-an-auditor';
    const digest = createHash('sha256').update(token).digest('hex');
    const gateway = await Gateway.start(t, {demo: true, extra: `staff:
  - {id: auditor, roles: [auditor], token_sha256: ${digest}}
`});
    // The log's key is made at the first start; the witness needs it.
    const logKey = (await readFile(path.join(gateway.folder, 'audit/ledger.vkey'), 'utf8')).trim();
    await gateway.stop();
    const config = await readFile(gateway.configFile, 'utf8');
    await writeFile(gateway.configFile, config.replace('content: digest}',
        `content: digest, witnesses: [{key: ${witnessKey}, url: "http://127.0.0.1:${port}"}]}`));
    gateway.code = gateway.signal = undefined;
    await gateway.spawn();
    await startWitness(t, folder, port, logKey);
    for (let i = 0; i < 30; ++i) {
      const answer = await fetch(`${gateway.base}/chat/completions`, {
        method: 'POST',
        headers: {'content-type': 'application/json', 'authorization': `Bearer ${keys.refusal}`},
        body: JSON.stringify({model: 'test-model', messages: [{role: 'user', content: '你好'}]}),
      });
      assert.equal(answer.status, 200);
    }
    const lag = async () => (await get(`${gateway.admin}/metrics`)).body.match(/^weir_ledger_unwitnessed_records (\d+)$/m)?.[1];
    await until(async () => await lag() === '0', 'everything is cosigned');
    await until(async () => (await get(`${gateway.admin}/tiles/checkpoint`)).body.includes('— witness.example/e2e '),
        'the checkpoint carries it');
    // Reading entries adds records, so the log grows under the reader; the checkpoint stays cosigned.
    const read = await run(go, logKey, `${gateway.admin}/tiles`, witnessKey, token);
    assert.equal(read.code, 0, read.out + read.err);
    assert.match(read.out, /^accepted \d+ records/);
    const refused = await run(go, logKey, `${gateway.admin}/tiles`, witnessKey, 'no-token');
    assert.equal(refused.code, 1);
    assert.match(refused.out, /401/);
    await gateway.stop();

    const policy = path.join(folder, 'policy');
    await writeFile(policy, `log ${logKey}\nwitness w ${witnessKey}\nquorum w\n`);
    const verified = await runWeir(['audit', 'verify', '--dir', `${gateway.folder}/audit`, '--policy', policy]);
    assert.equal(verified.code, 0, verified.out + verified.err);
    // A stop waits for the witness, so nothing is left unwitnessed.
    assert.doesNotMatch(verified.out, /not yet/);
    const out = path.join(folder, 'export');
    assert.equal((await runWeir(['audit', 'export', '--dir', `${gateway.folder}/audit`, '--out', out])).code, 0);
    const exported = await run(verifyProgram, '--policy', policy, out);
    assert.equal(exported.code, 0, exported.out + exported.err);
  });
});
