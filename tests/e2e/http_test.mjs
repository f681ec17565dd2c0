// Weir from the wire: bad bytes, bad clients, bad networks. Each gets a clear answer in the shape of
// the API, and nothing is lost: an exchange that was begun has its records.
import assert from 'node:assert/strict';
import {after, before, describe, it} from 'node:test';

import {answer, beginning, FakeUpstream} from './fake_upstream.mjs';
import {Gateway, get, keys, Scope, until} from './gateway_under_test.mjs';
import {bodyOf, post, RawClient, statusOf} from './raw_client.mjs';

const request = (more = {}) => JSON.stringify({model: 'test-model', messages: [{role: 'user', content: '你好'}], ...more});

describe('HTTP', () => {
  let upstream;
  let gateway;
  const scope = new Scope();
  after(() => scope.end());
  before(async () => {
    upstream = await FakeUpstream.start(scope);
    upstream.play = answer({text: '好的。'});
    gateway = await Gateway.start(scope, {upstreamUrl: upstream.base, extra: `
timeouts: {head_ms: 600, body_ms: 800, idle_ms: 1500, write_ms: 1000}
limits: {body_bytes_max: 4096, head_bytes_max: 2048, request_line_bytes_max: 512}
`});
  });

  // Sends bytes, returns the whole answer once the connection closes or the body is complete.
  async function exchange(bytes) {
    const client = await RawClient.connect(gateway.port);
    await client.send(bytes);
    const response = await client.receive((text, closed) => {
      if (closed) return true;
      const length = /content-length: (\d+)/i.exec(text);
      return length !== null && text.includes('\r\n\r\n') && Buffer.byteLength(bodyOf(text)) >= Number(length[1]);
    });
    client.end();
    return response;
  }
  const good = () => post(request(), {key: keys.refusal});
  const errorOf = (response) => JSON.parse(bodyOf(response)).error;

  const refused = {
    'bad JSON': [400, post('{"model":', {key: keys.refusal})],
    'an empty body': [400, post('', {key: keys.refusal})],
    'a duplicate key': [400, post('{"model":"test-model","messages":[],"messages":[]}', {key: keys.refusal})],
    'a duplicate key behind an escape': [400, post('{"model":"test-model","messages":[],"m\\u0065ssages":[]}', {key: keys.refusal})],
    'a key in another case': [400, post(request({Messages: []}), {key: keys.refusal})],
    'a lone surrogate': [400, post('{"model":"test-model","messages":[{"role":"user","content":"\\ud800"}]}', {key: keys.refusal})],
    'bytes that are not UTF-8': [400, Buffer.concat([Buffer.from(post(request(), {key: keys.refusal}).slice(0, -4)), Buffer.from([0xff, 0xfe, 0x22, 0x7d])])],
    'a nest of 5,000 brackets': [400, post('['.repeat(2000) + ']'.repeat(2000), {key: keys.refusal})],
    'two documents': [400, post(request() + request(), {key: keys.refusal})],
    'no messages': [400, post('{"model":"test-model"}', {key: keys.refusal})],
    'another content type': [400, good().replace('application/json', 'text/plain')],
    'a wrong key': [401, post(request(), {key: 'wrong'})],
    'no key': [401, good().replace(/Authorization:[^\r]*\r\n/, '')],
    'an unknown route': [404, post(request(), {key: keys.refusal, path: '/v1/nothing'})],
    'an unknown model': [404, post(request({model: 'absent'}), {key: keys.refusal})],
    'another method': [405, post(request(), {key: keys.refusal, method: 'PUT'})],
    'a body over the limit': [413, post(request({pad: 'x'.repeat(5000)}), {key: keys.refusal})],
    'a head over the limit': [431, good().replace('Host: weir', `Host: weir\r\nX-Pad: ${'x'.repeat(3000)}`)],
    'two Content-Lengths': [400, good().replace('Host: weir', 'Host: weir\r\nContent-Length: 5')],
    'Content-Length beside Transfer-Encoding': [400, good().replace('Host: weir', 'Host: weir\r\nTransfer-Encoding: chunked')],
    'a Transfer-Encoding that is not chunked': [501, good().replace(/Content-Length: \d+/, 'Transfer-Encoding: gzip, chunked')],
    'no Host': [400, good().replace('Host: weir\r\n', '')],
    'two Hosts': [400, good().replace('Host: weir', 'Host: weir\r\nHost: other')],
    'a folded header': [400, good().replace('Host: weir', 'Host: weir\r\nX-A: b\r\n c')],
    'a space before the colon': [400, good().replace('Host: weir', 'Host: weir\r\nX-A : b')],
    'a bare LF': [400, good().replace('Host: weir\r\n', 'Host: weir\n')],
    'an absolute target': [400, good().replace('POST /v1', 'POST http://other/v1')],
    'no HTTP at all': [400, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
  };
  for (const [what, [status, bytes]] of Object.entries(refused)) {
    it(`${what} is a ${status} that says why, and nothing goes upstream`, async () => {
      const seen = upstream.seen.length;
      const response = await exchange(bytes);
      const got = statusOf(response);
      assert.ok(got === status || (status === 501 && got === 400), response);
      assert.ok(errorOf(response).message.length > 10, response);
      assert.equal(typeof errorOf(response).type, 'string');
      assert.equal(upstream.seen.length, seen);
    });
  }
  it('serves good requests all the while', async () => {
    assert.equal(statusOf(await exchange(good())), 200);
  });

  it('keeps a connection for one request after another, pipelined too', async () => {
    const client = await RawClient.connect(gateway.port);
    await client.send(good() + good() + good());
    const text = await client.receive((got) => got.split('HTTP/1.1 200').length === 4 && got.endsWith('}'));
    assert.equal(text.split('好的。').length, 4);
    client.end();
  });
  it('answers Expect: 100-continue before the body is sent', async () => {
    const client = await RawClient.connect(gateway.port);
    const [head, body] = good().replace('Host: weir', 'Host: weir\r\nExpect: 100-continue').split('\r\n\r\n');
    await client.send(`${head}\r\n\r\n`);
    await client.receive((text) => text.startsWith('HTTP/1.1 100'));
    await client.send(body);
    await client.receive((text) => text.includes('HTTP/1.1 200') && text.includes('好的。'));
    client.end();
  });
  it('takes a chunked body', async () => {
    const [head, body] = good().replace(/Content-Length: \d+/, 'Transfer-Encoding: chunked').split('\r\n\r\n');
    const bytes = Buffer.from(body);
    const response = await exchange(Buffer.concat([Buffer.from(`${head}\r\n\r\n5\r\n`), bytes.subarray(0, 5),
      Buffer.from(`\r\n${(bytes.length - 5).toString(16)}\r\n`), bytes.subarray(5), Buffer.from('\r\n0\r\n\r\n')]));
    assert.equal(statusOf(response), 200);
  });

  it('a head that drips in is cut off', async () => {
    const client = await RawClient.connect(gateway.port);
    const begun = Date.now();
    const drip = setInterval(() => client.socket.write('x'), 50);
    await client.send('POST /v1/chat/completions HTTP/1.1\r\nX: ');
    const response = await client.receive().finally(() => clearInterval(drip));
    assert.ok(response === '' || statusOf(response) === 408, response);
    assert.ok(Date.now() - begun < 5000);
  });
  it('a body that drips in is cut off', async () => {
    const client = await RawClient.connect(gateway.port);
    const begun = Date.now();
    await client.send(good().slice(0, -30));
    const drip = setInterval(() => client.socket.write(' '), 100);
    const response = await client.receive((text, closed) => closed || text.includes('\r\n\r\n{'))
        .finally(() => clearInterval(drip));
    assert.ok(response === '' || statusOf(response) === 408, response);
    assert.ok(Date.now() - begun < 6000);
    client.end();
  });
  it('an idle connection is closed', async () => {
    const client = await RawClient.connect(gateway.port);
    assert.equal(await client.receive(), '');
  });

  it('a client that goes away in mid-stream: the model is cut off, the record says so', async () => {
    const lost = upstream.lost;
    upstream.play = beginning({text: '慢慢地说一段话。'.repeat(20)}, () => {}, {count: 30});
    const client = await RawClient.connect(gateway.port);
    await client.send(post(request({stream: true}), {key: keys.refusal}));
    const text = await client.receive((got) => got.includes('慢'));
    client.end();
    await until(() => upstream.lost === lost + 1, 'the model has been cut off');
    const id = /x-weir-decision: (\S+)/i.exec(text)[1];
    const records = await until(async () => {
      const found = await gateway.records('--exchange', id);
      return found.length === 2 && found;
    }, 'the exchange has been closed');
    assert.deepEqual(records.map((record) => record.kind), ['prompt', 'failure']);
    assert.match(records[1].detail, /client/i);
    upstream.play = answer({text: '好的。'});
  });
  it('a client that goes away while the model thinks: the model is cut off', async () => {
    const lost = upstream.lost;
    upstream.play = () => {};
    const client = await RawClient.connect(gateway.port);
    const seen = upstream.seen.length;
    await client.send(good());
    await until(() => upstream.seen.length > seen, 'the model was asked');
    client.end();
    await until(() => upstream.lost === lost + 1, 'the model has been cut off');
    upstream.play = answer({text: '好的。'});
  });

  it('the admin plane answers, the data plane does not answer for it', async () => {
    assert.equal((await get(`${gateway.admin}/livez`)).status, 200);
    assert.equal((await get(`${gateway.admin}/readyz`)).status, 200);
    const metrics = await get(`${gateway.admin}/metrics`);
    assert.equal(metrics.status, 200);
    assert.match(metrics.headers['content-type'], /^text\/plain; version=0\.0\.4/);
    for (const line of metrics.body.split('\n').filter(Boolean)) {
      assert.match(line, /^(# (HELP|TYPE) weir_\w+ .+|weir_\w+(\{[^}]*\})? [-+0-9.eInf]+)$/);
    }
    assert.equal((await get(`http://127.0.0.1:${gateway.port}/metrics`)).status, 404);
    assert.equal((await get(`${gateway.admin}/v1/models`)).status, 404);
  });
  it('the ledger has no gap and verifies', async () => {
    const records = await gateway.records();
    records.forEach((record, seq) => assert.equal(record.seq, seq));
    const {code, out, err} = await gateway.verify();
    assert.equal(code, 0, out + err);
  });
});
