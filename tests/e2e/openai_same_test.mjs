// The official openai SDK against a model directly and through Weir: where nothing is found, an
// application cannot tell the difference.
import assert from 'node:assert/strict';
import {after, before, describe, it} from 'node:test';

import {answer, asEvents, beginning, chunks, completion, error, FakeUpstream, raw} from './fake_upstream.mjs';
import {Gateway, keys, Scope, until} from './gateway_under_test.mjs';
import {ask, client, collect, completionOutcome, outcomeOf} from './openai_outcome.mjs';

const text = '清晨的河水慢慢流过堤坝，the river runs 慢慢地 🏞️👨‍👩‍👧 past "quotes" \\ and\nlines.';
const logprobs = {content: [...text].map((token) => ({token, logprob: -0.1, bytes: null, top_logprobs: []})), refusal: null};
const tools = [{type: 'function', function: {name: 'weather', description: '查询天气',
  parameters: {type: 'object', properties: {city: {type: 'string'}}}}}];
const toolAnswer = {tools: [{name: 'weather', arguments: '{"city":"北京","note":"\\u4f60\\u597d \\"x\\""}'},
  {name: 'weather', arguments: '{"city":"上海"}'}]};

describe('openai SDK, directly and through Weir', () => {
  let upstream;
  let gateway;
  const scope = new Scope();
  after(() => scope.end());
  before(async () => {
    upstream = await FakeUpstream.start(scope);
    gateway = await Gateway.start(scope, {upstreamUrl: upstream.base});
  });

  // Plays `play` to the same call twice and wants the same outcome; returns Weir's.
  async function same(play, call, options = {}) {
    upstream.play = play;
    const direct = await outcomeOf(() => call(client(upstream.base, 'direct', options)));
    const sentDirectly = upstream.last?.text;
    const through = await outcomeOf(() => call(client(gateway.base, keys.refusal, options)));
    assert.deepEqual(through.value, direct.value, through.error?.stack);
    assert.deepEqual(through.thrown, direct.thrown, through.error?.stack ?? direct.error?.stack);
    assert.equal(upstream.last?.text, sentDirectly, 'the request reaches the model byte for byte');
    return through;
  }

  const whole = (request) => async (sdk) => completionOutcome(await sdk.chat.completions.create(request));
  const streamed = (request) => async (sdk) =>
    (await collect(await sdk.chat.completions.create({...request, stream: true}))).outcome;
  const helped = (request) => async (sdk) => {
    const stream = sdk.chat.completions.stream(request);
    const events = {content: 0, delta: 0, done: 0};
    stream.on('content', () => ++events.content);
    stream.on('content.delta', () => ++events.delta);
    stream.on('content.done', () => ++events.done);
    const final = completionOutcome(await stream.finalChatCompletion());
    return {final, saw: {content: events.content > 0, delta: events.delta > 0, done: events.done}};
  };

  for (const [form, through] of Object.entries({'whole': whole, 'streamed': streamed, '.stream() helper': helped})) {
    it(`${form}: one choice`, () => same(answer({text}), through(ask('你好'))));
    it(`${form}: every kind of message`, () => same(answer({text}), through({
      model: 'test-model', temperature: 0.5, seed: 7, user: 'user-1', metadata: {trace: 'x'},
      messages: [
        {role: 'developer', content: '简短回答'}, {role: 'system', content: [{type: 'text', text: '用中文'}]},
        {role: 'user', name: 'a', content: [{type: 'text', text: '第一段'}, {type: 'text', text: '第二段'}]},
        {role: 'assistant', content: null, tool_calls: [{id: 'call_0', type: 'function',
          function: {name: 'weather', arguments: '{"city":"北京"}'}}]},
        {role: 'tool', tool_call_id: 'call_0', content: '{"sky":"晴"}'},
        {role: 'assistant', content: '晴天', refusal: null}, {role: 'user', content: '谢谢'}],
    })));
    it(`${form}: n = 2`, () => same(answer([{text}, {text: '另一种说法。'}]), through(ask('你好', {n: 2}))));
    it(`${form}: tool calls`, () => same(answer(toolAnswer), through(ask('北京天气', {tools}))));
    it(`${form}: reasoning_content`, () => same(answer({reasoning: '先想一想。', text}), through(ask('你好'))));
    it(`${form}: the model refuses`, () => same(answer({refusal: 'I cannot help with that.'}), through(ask('你好'))));
    it(`${form}: finish_reason length`, () => same(answer({text, finish: 'length'}), through(ask('你好'))));
    it(`${form}: logprobs`, () => same(answer({text, logprobs}),
        through(ask('你好', {logprobs: true}))));
    it(`${form}: an answer of 60,000 characters`, () => same(answer({text: text.repeat(1200)}, {size: 50}),
        through(ask('长文'))));
    it(`${form}: an empty answer`, () => same(answer({text: ''}), through(ask('你好'))));
    it(`${form}: 429`, async () => {
      const {thrown} = await same(error(429, {message: '请求过多', type: 'rate_limit_error', param: null,
        code: 'rate_limit_exceeded'}), through(ask('你好')));
      assert.equal(thrown.name, 'RateLimitError');
    });
    it(`${form}: 500`, async () => {
      const {thrown} = await same(error(500, {message: 'server had an error', type: 'server_error', param: null,
        code: null}), through(ask('你好')));
      assert.equal(thrown.name, 'InternalServerError');
    });
    it(`${form}: 400 with code and param`, async () => {
      const {thrown} = await same(error(400, {message: 'too long', type: 'invalid_request_error', param: 'messages',
        code: 'context_length_exceeded'}), through(ask('你好')));
      assert.equal(thrown.code, 'context_length_exceeded');
    });
  }

  it('streamed: usage when it is asked for', async () => {
    const {value} = await same(answer({text}), streamed(ask('你好', {stream_options: {include_usage: true}})));
    assert.equal(value.usage.total_tokens, 18);
  });
  it('.stream() helper: usage when it is asked for', () =>
    same(answer({text}), helped(ask('你好', {stream_options: {include_usage: true}}))));
  it('.stream() helper: n = 2 with usage, tools and reasoning', () =>
    same(answer([{text, reasoning: '想'}, toolAnswer]),
        helped(ask('你好', {n: 2, tools, stream_options: {include_usage: true}}))));

  it('runTools: the loop of calls and results', () => same((request, response, body) => {
    const last = body.messages.at(-1);
    answer(last.role === 'tool' ? {text: `结果：${last.content}`} : {tools: [toolAnswer.tools[1]]})(request, response, body);
  }, async (sdk) => {
    const called = [];
    const runner = sdk.chat.completions.runTools(ask('天气', {stream: true, tools: [{type: 'function', function: {
      name: 'weather', parse: JSON.parse, function: (args) => { called.push(args); return '晴'; },
      parameters: {type: 'object', properties: {city: {type: 'string'}}}}}]}));
    return {final: await runner.finalContent(), called};
  }));

  // How providers really write their streams.
  const spellings = {
    'one byte a write': (all) => [...Buffer.from(all)].map((byte) => Buffer.from([byte])),
    'everything in one write': (all) => [all],
    'CRLF': (all) => [all.replaceAll('\n', '\r\n')],
    'CR': (all) => [all.replaceAll('\n', '\r')],
    'a byte order mark': (all) => [`\ufeff${all}`],
    'data: without a space': (all) => [all.replaceAll('data: ', 'data:')],
    'comments, ids and retry lines': (all) => [`: hello\n\nretry: 10\n\n${all.replaceAll('data: ', ': ping\nid: 1\ndata: ')}`],
  };
  for (const [name, recut] of Object.entries(spellings)) {
    it(`a stream with ${name}`, () => same(answer({text: text.slice(0, 30)}, {recut, size: 3}), streamed(ask('你好'))));
    it(`a stream with ${name}, .stream() helper`, () =>
      same(answer({text: text.slice(0, 30)}, {recut, size: 3}), helped(ask('你好'))));
  }
  it('a stream with the text as \\u escapes', () => same(answer({text}, {recut: (all) => [all.replace(
      /[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)]}), streamed(ask('你好'))));
  it('a stream without [DONE]', () => same(answer({text}, {done: false}), streamed(ask('你好'))));
  it('a stream that is sent as text/plain', () => same((request, response, body) => {
    response.writeHead(200, {'content-type': 'text/plain'});
    response.end(asEvents(chunks(body, [{text}])).join('') + 'data: [DONE]\n\n');
  }, streamed(ask('你好'))));
  it('an answer in chunks of the transport', () => same((request, response, body) => {
    response.writeHead(200, {'content-type': 'application/json'});
    const bytes = Buffer.from(JSON.stringify(completion(body, [{text}])));
    for (let at = 0; at < bytes.length; at += 7) response.write(bytes.subarray(at, at + 7));
    response.end();
  }, whole(ask('你好'))));

  it('an iterator broken off early throws nothing, and the model is cut off', async () => {
    const lost = upstream.lost;
    await same(beginning({text: text.repeat(5)}, () => {}, {count: 40}), async (sdk) => {
      let seen = 0;
      for await (const chunk of await sdk.chat.completions.create(ask('你好', {stream: true}))) {
        if (chunk.choices[0].delta.content && ++seen === 3) break;
      }
      return seen;
    });
    await until(() => upstream.lost === lost + 2, 'the model has seen both connections go');
  });
  it('controller.abort() throws nothing', () => same(beginning({text}, () => {}), async (sdk) => {
    const stream = await sdk.chat.completions.create(ask('你好', {stream: true}));
    let seen = 0;
    for await (const chunk of stream) {
      seen += chunk.choices.length;
      if (seen === 3) stream.controller.abort();
    }
    return true;
  }));
  it('.stream() helper: abort() is an APIUserAbortError', () => same(beginning({text}, () => {}), async (sdk) => {
    const stream = sdk.chat.completions.stream(ask('你好'));
    stream.once('content', () => stream.abort());
    return stream.finalContent();
  }));

  it('429 with retry-after is tried again, and the second answer counts', async () => {
    for (const [base, key] of [[upstream.base, 'direct'], [gateway.base, keys.refusal]]) {
      let tries = 0;
      upstream.play = (...args) => ++tries === 1 ?
        error(429, {message: 'slow down', type: 'rate_limit_error', param: null, code: null},
            {'retry-after-ms': '5'})(...args) : answer({text})(...args);
      const got = await client(base, key, {maxRetries: 2}).chat.completions.create(ask('你好'));
      assert.equal(got.choices[0].message.content, text);
      assert.equal(tries, 2);
    }
  });

  // Where a provider fails in the middle, the SDK throws either way; through Weir it says why.
  it('a model that dies in mid-stream', async () => {
    upstream.play = beginning({text}, (response) => response.destroy(), {count: 12});
    const call = async (sdk) => (await collect(await sdk.chat.completions.create(ask('你好', {stream: true})))).outcome;
    assert.ok((await outcomeOf(() => call(client(upstream.base)))).thrown);
    const {thrown, error: why} = await outcomeOf(() => call(client(gateway.base, keys.refusal)));
    assert.equal(thrown?.name, 'APIError');
    assert.match(why.message, /\w/);
  });
  it('a stream that ends before the answer does', async () => {
    upstream.play = beginning({text}, (response) => response.end(), {count: 12});
    const helper = (sdk) => sdk.chat.completions.stream(ask('你好')).finalContent();
    assert.ok((await outcomeOf(() => helper(client(upstream.base)))).thrown);
    assert.ok((await outcomeOf(() => helper(client(gateway.base, keys.refusal)))).thrown);
  });
  for (const [name, play] of Object.entries({
    'is not JSON': raw(200, {'content-type': 'application/json'}, '<html>oops</html>'),
    'has a duplicate key': raw(200, {'content-type': 'application/json'},
        '{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[],"choices":[]}'),
    'is nothing': raw(200, {'content-type': 'application/json'}, ''),
    'is not HTTP': (request, response) => response.socket.end('hello\r\n\r\n'),
    'is a redirect': raw(302, {location: 'http://127.0.0.1:9/'}, ''),
    'is a 200 with a broken gzip body': raw(200, {'content-type': 'application/json', 'content-encoding': 'gzip'}, 'zzz'),
  })) {
    it(`an answer that ${name} is a 502`, async () => {
      upstream.play = play;
      const {thrown} = await outcomeOf(() => client(gateway.base, keys.refusal).chat.completions.create(ask('你好')));
      assert.equal(thrown?.status, 502);
    });
  }
  it('an upstream 401 is no fault of the client', async () => {
    upstream.play = error(401, {message: 'bad key', type: 'invalid_request_error', param: null, code: 'invalid_api_key'});
    const {thrown, error: why} = await outcomeOf(() => client(gateway.base, keys.refusal).chat.completions.create(ask('你好')));
    assert.equal(thrown?.status, 502);
    assert.doesNotMatch(why.message, /bad key|upstream-key/);
  });

  it('models.list and models.retrieve', async () => {
    const sdk = client(gateway.base, keys.refusal);
    const names = [];
    for await (const model of sdk.models.list()) names.push(model.id);
    assert.deepEqual(names, ['test-model', 'other-name']);
    assert.equal((await sdk.models.retrieve('other-name')).id, 'other-name');
    const {thrown} = await outcomeOf(() => sdk.models.retrieve('absent'));
    assert.equal(thrown.name, 'NotFoundError');
  });
  it('a model that the upstream calls otherwise keeps the name the client asked for', async () => {
    upstream.play = answer({text});
    const sdk = client(gateway.base, keys.refusal);
    const request = {...ask('你好'), model: 'other-name'};
    assert.equal((await sdk.chat.completions.create(request)).model, 'other-name');
    assert.equal(upstream.last.body.model, 'test-model');
    const collected = await collect(await sdk.chat.completions.create({...request, stream: true}));
    assert.deepEqual([...collected.models], ['other-name']);
  });
  it('an unknown model and a wrong key have the errors of OpenAI', async () => {
    const sdk = client(gateway.base, keys.refusal);
    const model = await outcomeOf(() => sdk.chat.completions.create({...ask('你好'), model: 'absent'}));
    assert.deepEqual([model.thrown.name, model.thrown.code], ['NotFoundError', 'model_not_found']);
    const key = await outcomeOf(() => client(gateway.base, 'wrong').chat.completions.create(ask('你好')));
    assert.deepEqual([key.thrown.name, key.thrown.code], ['AuthenticationError', 'invalid_api_key']);
  });
  it('the upstream gets the operator\'s key and nothing of the client\'s head', async () => {
    upstream.play = answer({text});
    await client(gateway.base, keys.refusal, {defaultHeaders: {'x-secret': 'of the client', cookie: 'a=b'}})
        .chat.completions.create(ask('你好'));
    const {headers} = upstream.last;
    assert.equal(headers.authorization, 'Bearer upstream-key');
    assert.equal(headers['x-secret'] ?? headers.cookie ?? headers['x-stainless-lang'], undefined);
  });
  it('the response names the request, the decision, the action and the bundle', async () => {
    upstream.play = answer({text});
    const {data, response} = await client(gateway.base, keys.refusal).chat.completions.create(ask('你好')).withResponse();
    assert.ok(data._request_id);
    assert.match(response.headers.get('x-weir-decision'), /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(response.headers.get('x-weir-action'), 'allow');
    assert.match(response.headers.get('x-weir-bundle'), /^sha256:[0-9a-f]{64}$/);
  });
  it('the ledger verifies and has two records of every exchange', async () => {
    const prompted = (records) => records.filter((record) => record.kind === 'prompt');
    const records = await until(async () => {
      const all = await gateway.records();
      const ends = new Set(all.filter((record) => record.kind !== 'prompt').map((record) => record.exchange));
      return prompted(all).every((record) => ends.has(record.exchange)) && all;
    }, 'every exchange is closed');
    records.forEach((record, seq) => assert.equal(record.seq, seq));
    const prompts = prompted(records);
    for (const prompt of prompts) {
      const ends = records.filter((record) => record.exchange === prompt.exchange && record !== prompt);
      assert.equal(ends.length, 1, JSON.stringify(prompt));
      assert.ok(['answer', 'failure'].includes(ends[0].kind) && ends[0].seq > prompt.seq);
    }
    assert.ok(prompts.length > 60);
    const {code, out, err} = await gateway.verify();
    assert.equal(code, 0, out + err);
  });
});
