// Weir as its operator runs it: start, wrong configuration, reload under load, drain, a ledger that
// is taken away, an upstream behind TLS or not there at all.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {cp, mkdir, readFile, rm, writeFile} from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import {describe, it} from 'node:test';

import {answer, beginning, FakeUpstream} from './fake_upstream.mjs';
import {configText, environment, freePorts, Gateway, keys, root, runWeir, temporaryFolder, until} from './gateway_under_test.mjs';
import {ask, client, collect, outcomeOf} from './openai_outcome.mjs';
import {RawClient} from './raw_client.mjs';

const create = (gateway, request, key = keys.refusal) => client(gateway.base, key).chat.completions.create(request);

describe('start', () => {
  async function serve(t, text, {check = true, env = {}} = {}) {
    const folder = await temporaryFolder(t);
    const file = path.join(folder, 'weir.yaml');
    const [port, adminPort, demoPort] = await freePorts(3);
    await writeFile(file, text({port, adminPort, demoPort, folder}));
    return {file, port, adminPort,
      ...await runWeir(['serve', '--config', file, ...(check ? ['--check'] : [])], {env: {...environment, ...env}})};
  }

  it('--check says that a good configuration is good, and starts nothing', async (t) => {
    const {code, err} = await serve(t, configText);
    assert.equal(code, 0, err);
  });
  it('--check passes the documented reference and the demonstration', async () => {
    for (const file of ['config/weir.yaml', 'config/demo.yaml']) {
      const {code, out, err} = await runWeir(['serve', '--config', file, '--check'],
          {env: {QWEN_API_KEY: 'x', WEIR_DEMO_KEY: 'y'}});
      assert.equal(code, 0, `${file}: ${out}${err}`);
    }
  });
  it('reports every problem of a configuration at once, with lines', async (t) => {
    const {code, err} = await serve(t, (given) => configText(given)
        .replace('threads: 2', 'threads: many\nthread: 1')
        .replace('upstream: model,', 'upstream: nobody,').replace('dialect: openai', 'dialect: klingon'));
    assert.equal(code, 2);
    for (const word of ['threads', 'thread', 'nobody', 'dialect']) assert.match(err, new RegExp(`:\\d+: .*${word}`), err);
  });
  it('names the variable that is not set', async (t) => {
    const {code, err} = await serve(t, configText, {env: {WEIR_E2E_KEY_REFUSAL: ''}});
    assert.equal(code, 2);
    assert.match(err, /WEIR_E2E_KEY_REFUSAL/);
  });
  it('names the file that is not there', async () => {
    const {code, err} = await runWeir(['serve', '--config', '/nonexistent/weir.yaml']);
    assert.equal(code, 2);
    assert.match(err, /\/nonexistent\/weir\.yaml/);
  });
  it('refuses packs whose own tests fail', async (t) => {
    const folder = await temporaryFolder(t);
    const pack = path.join(folder, 'bad.yaml');
    await writeFile(pack, (await readFile(path.join(root, 'tests/e2e/packs/e2e.yaml'), 'utf8'))
        .replace('miss: [这里没有]', 'miss: [这里有禁用词语]'));
    const {code, err} = await serve(t, (given) => configText({...given, packs: [pack]}));
    assert.notEqual(code, 0);
    assert.match(err, /bad\.yaml:\d+: .*ETE-0010/);
  });
  it('says that a port is in use', async (t) => {
    const blocker = net.createServer();
    await new Promise((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    t.after(() => blocker.close());
    for (const place of ['port', 'adminPort']) {
      const {code, err} = await serve(t, (given) => configText({...given, [place]: blocker.address().port}), {check: false});
      assert.equal(code, 2, err);
      assert.match(err, new RegExp(`${blocker.address().port}`));
    }
  });
  it('refuses a second gateway on the same ledger', async (t) => {
    const gateway = await Gateway.start(t, {demo: true});
    const {code, err} = await serve(t, (given) => configText({...given, folder: gateway.folder}), {check: false});
    assert.equal(code, 2);
    assert.match(err, /audit/);
    assert.equal((await create(gateway, ask('你好'))).choices.length, 1);
  });
  for (const args of [[], ['nonsense'], ['serve'], ['scan'], ['audit'], ['audit', 'show'], ['rules', 'lint', '--no-such-flag']]) {
    it(`weir ${args.join(' ')} is a usage error in one sentence`, async () => {
      const {code, out, err} = await runWeir(args);
      assert.equal(code, 2);
      assert.equal(out, '');
      assert.equal(err.trim().split('\n').length, 1, err);
    });
  }
});

describe('reload', () => {
  it('takes up new rules without losing an exchange, and none sees two bundles', async (t) => {
    const upstream = await FakeUpstream.start(t);
    const folder = await temporaryFolder(t);
    const pack = path.join(folder, 'pack.yaml');
    const original = await readFile(path.join(root, 'tests/e2e/packs/e2e.yaml'), 'utf8');
    await writeFile(pack, original);
    const gateway = await Gateway.start(t, {upstreamUrl: upstream.base, packs: [pack]});
    upstream.play = answer({text: '新词汇在这里。'}, {size: 2});
    const counts = {served: 0, bundles: new Set()};
    let stop = false;
    const load = Promise.all(Array.from({length: 6}, async (_, i) => {
      const sdk = client(gateway.base, keys.refusal);
      while (!stop) {
        const request = ask('你好', i % 2 ? {stream: true} : {});
        const {data, response} = await sdk.chat.completions.create(request).withResponse();
        if (i % 2) await collect(data);
        counts.bundles.add(response.headers.get('x-weir-bundle'));
        ++counts.served;
      }
    }));
    for (let round = 0; round < 6; ++round) {
      await writeFile(pack, original.replaceAll('禁用词语', round % 2 ? '禁用词语' : '新词汇'));
      const served = counts.served;
      gateway.child.kill('SIGHUP');
      await until(() => gateway.log.split('reload.loaded').length === round + 2 && counts.served > served + 20,
          'the new bundle decides');
    }
    stop = true;
    await load;
    assert.equal(counts.bundles.size, 2);
    const byExchange = new Map();
    for (const record of await gateway.records()) {
      if (record.exchange) byExchange.set(record.exchange, [...byExchange.get(record.exchange) ?? [], record]);
    }
    assert.equal(byExchange.size, counts.served);
    for (const records of byExchange.values()) {
      assert.deepEqual(records.map((record) => record.kind), ['prompt', 'answer']);
      assert.equal(records[0].bundle, records[1].bundle);
    }
  });
  it('a bad bundle keeps the old one and says why', async (t) => {
    const upstream = await FakeUpstream.start(t);
    const folder = await temporaryFolder(t);
    const pack = path.join(folder, 'pack.yaml');
    await cp(path.join(root, 'tests/e2e/packs/e2e.yaml'), pack);
    const gateway = await Gateway.start(t, {upstreamUrl: upstream.base, packs: [pack]});
    const bundle = async () => (await create(gateway, ask('你好')).withResponse()).response.headers.get('x-weir-bundle');
    const first = await bundle();
    await writeFile(pack, 'pack: broken\nrules: [\n');
    gateway.child.kill('SIGHUP');
    await until(() => /pack\.yaml/.test(gateway.log), 'the gateway says why');
    assert.equal(await bundle(), first);
    const service = (await gateway.records('--kind', 'service')).at(-1);
    assert.match(service.detail, /refused/);
    await rm(pack);
    gateway.child.kill('SIGHUP');
    await until(() => gateway.log.split('reload.refused').length === 3, 'the gateway says why again');
    assert.equal(await bundle(), first);
  });
});

describe('stop', () => {
  it('drains: what is under way ends, nobody new is let in, exit 0', async (t) => {
    const upstream = await FakeUpstream.start(t);
    const gateway = await Gateway.start(t, {upstreamUrl: upstream.base});
    let finish;
    const text = '一段慢慢说完的话。';
    upstream.play = beginning({text}, (response) => { finish = () => answerRest(response); }, {count: 4});
    const answerRest = (response) => {
      const rest = {id: 'chatcmpl-fake', object: 'chat.completion.chunk', created: 1764000000, model: 'test-model'};
      for (const choice of [{index: 0, delta: {content: '完了。'}, finish_reason: null}, {index: 0, delta: {}, finish_reason: 'stop'}]) {
        response.write(`data: ${JSON.stringify({...rest, choices: [choice]})}\n\n`);
      }
      response.end('data: [DONE]\n\n');
    };
    const stream = await create(gateway, ask('你好', {stream: true}));
    const idle = await RawClient.connect(gateway.port);
    const collected = collect(stream);
    await until(() => finish, 'the model has begun');
    gateway.child.kill('SIGTERM');
    await idle.receive();
    await until(async () => {
      const probe = await RawClient.connect(gateway.port).catch(() => null);
      probe?.end();
      return probe === null;
    }, 'nobody new is let in');
    assert.notEqual((await outcomeOf(async () => (await fetch(`${gateway.admin}/readyz`)).status)).value, 200);
    finish();
    const {choices: [choice]} = await collected;
    assert.deepEqual([choice.content, choice.finish], [`${text.slice(0, 3)}完了。`, 'stop']);
    assert.deepEqual(await gateway.ended, {code: 0, signal: null});
    const records = await gateway.records();
    assert.deepEqual(records.filter((record) => record.exchange).map((record) => record.kind), ['prompt', 'answer']);
    const {code, out, err} = await gateway.verify();
    assert.equal(code, 0, out + err);
  });
  it('gives up on what does not end when the drain\'s time is over', async (t) => {
    const upstream = await FakeUpstream.start(t);
    const gateway = await Gateway.start(t, {upstreamUrl: upstream.base});
    await gateway.stop();
    await gateway.writeConfig();
    await writeFile(gateway.configFile, (await readFile(gateway.configFile, 'utf8')).replace('drain_seconds: 10', 'drain_seconds: 1'));
    gateway.code = undefined;
    await gateway.spawn();
    upstream.play = beginning({text: '没有尽头的话'}, () => {}, {count: 4});
    const collected = outcomeOf(async () => collect(await create(gateway, ask('你好', {stream: true}))));
    await until(() => upstream.seen.length > 0, 'the model was asked');
    gateway.child.kill('SIGTERM');
    assert.equal((await gateway.ended).code, 0);
    const {thrown} = await collected;
    assert.equal(thrown?.code, 'gateway_stopping', 'half an answer does not look like a whole one');
    const records = (await gateway.records()).filter((record) => record.exchange);
    assert.deepEqual(records.map((record) => record.kind), ['prompt', 'failure']);
    assert.equal(records[1].cause, 'gateway_stopping');
  });
  it('SIGINT stops too', async (t) => {
    const gateway = await Gateway.start(t, {demo: true});
    gateway.child.kill('SIGINT');
    assert.deepEqual(await gateway.ended, {code: 0, signal: null});
  });
});

describe('the ledger', () => {
  it('taken away: 503 with a clear reason, nothing goes upstream', async (t) => {
    const upstream = await FakeUpstream.start(t);
    upstream.play = answer({text: '好的。'});
    const gateway = await Gateway.start(t, {upstreamUrl: upstream.base});
    await create(gateway, ask('你好'));
    for (const name of ['ledger.db', 'ledger.db-wal', 'ledger.db-shm']) {
      await rm(path.join(gateway.folder, 'audit', name), {force: true});
    }
    const seen = upstream.seen.length;
    const {thrown, error} = await outcomeOf(() => create(gateway, ask('你好')));
    assert.equal(thrown?.status, 503);
    assert.match(error.message, /ledger/);
    assert.equal(upstream.seen.length, seen);
    assert.equal((await fetch(`${gateway.admin}/readyz`)).status, 503);
    assert.equal((await fetch(`${gateway.admin}/livez`)).status, 200);
  });
  it('a changed byte: verify exits 1 and says where', async (t) => {
    const gateway = await Gateway.start(t, {demo: true});
    for (let i = 0; i < 5; ++i) await create(gateway, ask(`第${i}问`));
    await gateway.stop();
    assert.equal((await gateway.verify()).code, 0);
    const file = path.join(gateway.folder, 'audit', 'ledger.db');
    const bytes = readFileSync(file);
    const at = bytes.indexOf('"app":"app-refusal"');
    assert.ok(at > 0, 'a record stands in the store as it is');
    bytes[at + 8] ^= 1;
    await writeFile(file, bytes);
    const {code, out, err} = await gateway.verify();
    assert.equal(code, 1, out + err);
    assert.match(out + err, /\d/);
  });
});

describe('upstreams', () => {
  function certificate(folder, name) {
    const file = (suffix) => path.join(folder, `${name}.${suffix}`);
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', '/CN=weir-e2e', '-addext', `subjectAltName=${name === 'good' ? 'IP:127.0.0.1' : 'DNS:other.invalid'}`,
      '-keyout', file('key'), '-out', file('crt')], {stdio: 'ignore'});
    return {file: file('crt'), tls: {key: readFileSync(file('key')), cert: readFileSync(file('crt'))}};
  }
  for (const [name, trusted, served] of [['good', true, true], ['other', true, false], ['good', false, false]]) {
    it(`TLS: a certificate that is ${trusted ? 'trusted' : 'not trusted'} and names ${name === 'good' ? 'the host' : 'another'} is ` +
       (served ? 'served' : 'a 502 and sees nothing'), async (t) => {
      const folder = await temporaryFolder(t);
      const {file, tls} = certificate(folder, name);
      const upstream = await FakeUpstream.start(t, tls);
      upstream.play = answer({text: '好的。'});
      const gateway = await Gateway.start(t, {upstreamUrl: upstream.base,
        extra: trusted ? `upstream_tls: {ca_file: ${file}}\n` : ''});
      if (served) {
        for (let i = 0; i < 3; ++i) assert.equal((await create(gateway, ask('你好'))).choices[0].message.content, '好的。');
        return;
      }
      const {thrown} = await outcomeOf(() => create(gateway, ask('你好')));
      assert.equal(thrown?.status, 502);
      assert.equal(upstream.seen.length, 0);
    });
  }
  it('an upstream that is not there is a 502, recorded', async (t) => {
    const [port] = await freePorts(1);
    const gateway = await Gateway.start(t, {upstreamUrl: `http://127.0.0.1:${port}/v1`});
    const {thrown, error} = await outcomeOf(() => create(gateway, ask('你好')));
    assert.equal(thrown.status, 502);
    assert.ok(error.message.length > 10);
    const records = (await gateway.records()).filter((record) => record.exchange);
    assert.deepEqual(records.map((record) => [record.kind, record.cause ?? '']), [['prompt', ''], ['failure', 'upstream_lost']]);
  });
  it('a connection that the upstream has closed meanwhile is replaced', async (t) => {
    const upstream = await FakeUpstream.start(t);
    upstream.play = answer({text: '好的。'});
    const gateway = await Gateway.start(t, {upstreamUrl: upstream.base});
    for (let i = 0; i < 5; ++i) {
      await create(gateway, ask('你好'));
      upstream.server.closeAllConnections();
    }
    assert.equal(upstream.seen.length, 5);
  });
});

describe('the tools', () => {
  it('weir scan finds the same for every chunk size', async () => {
    const texts = ['没有', '禁用词语在这里', '电话13812345678和遮盖词语', '禁 用-词_语', '😀禁用词语😀'];
    const input = texts.map((text, i) => JSON.stringify({id: `t${i}`, text})).join('\n') + '\n';
    const run = async (...more) => {
      const {code, out, err} = await runWeir(['scan', '--rules', 'tests/e2e/packs', ...more], {input});
      assert.equal(code, 0, err);
      return out;
    };
    const whole = await run();
    const lines = whole.trim().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(lines.map((line) => [line.id, line.findings.map((finding) => finding.rule)]),
        [['t0', []], ['t1', ['ETE-0010']], ['t2', ['ETE-0020', 'ETE-0020']], ['t3', ['ETE-0010']], ['t4', ['ETE-0010']]]);
    const found = lines[4].findings[0];
    assert.equal(Buffer.from(texts[4]).subarray(found.start, found.end).toString(), '禁用词语');
    for (const size of ['1', '2', '3', '7', '1000']) assert.equal(await run('--chunk', size), whole);
  });
  it('weir rules lint, test and stats pass on the starter packs', async () => {
    for (const tool of ['lint', 'test', 'stats']) {
      const {code, out, err} = await runWeir(['rules', tool, 'rules/packs']);
      assert.equal(code, 0, out + err);
    }
  });
  it('evidence of a record verifies without the ledger, and not when it was changed', async (t) => {
    const gateway = await Gateway.start(t, {demo: true});
    await create(gateway, ask('你好'));
    await gateway.stop();
    const dir = path.join(gateway.folder, 'audit');
    const file = path.join(gateway.folder, 'evidence');
    assert.equal((await runWeir(['audit', 'prove', '1', '--dir', dir, '--out', file])).code, 0);
    const alone = path.join(gateway.folder, 'alone');
    await mkdir(alone);
    await cp(path.join(dir, 'ledger.vkey'), path.join(alone, 'ledger.vkey'));
    const verify = () => runWeir(['audit', 'prove', file, '--dir', alone]);
    const good = await verify();
    assert.equal(good.code, 0, good.out + good.err);
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('app-refusal', 'app-refusaL'));
    assert.equal((await verify()).code, 1);
  });
});
