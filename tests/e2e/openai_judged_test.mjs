// The official openai SDK where something is found: masked, blocked, stopped in the middle. In every
// style the SDK throws only where it would throw against OpenAI itself.
import assert from 'node:assert/strict';
import {after, before, describe, it} from 'node:test';

import {answer, beginning, FakeUpstream} from './fake_upstream.mjs';
import {Gateway, keys, Scope, until} from './gateway_under_test.mjs';
import {ask, client, collect, completionOutcome, outcomeOf} from './openai_outcome.mjs';

const word = '禁用词语';
const mobile = '13812345678';
const masked = '138****5678';
const promptRefusal = '提问未通过审核。';
const answerRefusal = '回答未通过审核。';
const clean = '清晨的河水慢慢流过堤坝，';
const tools = [{type: 'function', function: {name: 'send', parameters: {type: 'object', properties: {to: {type: 'string'}}}}}];

describe('openai SDK, judged', () => {
  let upstream;
  let gateway;
  const scope = new Scope();
  after(() => scope.end());
  before(async () => {
    upstream = await FakeUpstream.start(scope);
    gateway = await Gateway.start(scope, {upstreamUrl: upstream.base});
  });
  const refusing = (options) => client(gateway.base, keys.refusal, options);
  const erring = (options) => client(gateway.base, keys.error, options);
  const create = (sdk, request) => sdk.chat.completions.create(request);
  const stream = async (sdk, request) => collect(await create(sdk, {...request, stream: true}));
  const recordsOf = (id) => gateway.records('--exchange', id);

  describe('a blocked prompt', () => {
    const bad = ask(`请写一段${word}。`);

    it('is an answer with the refusal, and the model sees nothing', async () => {
      const seen = upstream.seen.length;
      const {data, response} = await create(refusing(), bad).withResponse();
      assert.deepEqual(completionOutcome(data), {object: 'chat.completion', model: 'test-model',
        usage: {prompt_tokens: 0, completion_tokens: 0, total_tokens: 0},
        choices: [{index: 0, role: 'assistant', content: promptRefusal, refusal: null, reasoning: null, tools: [],
          finish: 'content_filter', logprobs: null}]});
      assert.equal(upstream.seen.length, seen);
      assert.equal(response.headers.get('x-weir-action'), 'block');
      const records = await recordsOf(response.headers.get('x-weir-decision'));
      assert.deepEqual(records.map((record) => record.kind), ['prompt', 'answer']);
      assert.equal(records[0].action, 'block');
      assert.equal(records[0].findings[0].rule, 'ETE-0010');
      assert.doesNotMatch(JSON.stringify(records), new RegExp(word), 'records hold no content');
    });
    it('is a stream with the refusal', async () => {
      const {choices} = await stream(refusing(), {...bad, stream_options: {include_usage: true}});
      assert.deepEqual(choices.map((choice) => [choice.role, choice.content, choice.finish]),
          [['assistant', promptRefusal, 'content_filter']]);
    });
    it('reaches the .stream() helper as an answer', async () => {
      const helper = refusing().chat.completions.stream(bad);
      assert.equal(await helper.finalContent(), promptRefusal);
      assert.equal((await helper.finalChatCompletion()).choices[0].finish_reason, 'content_filter');
    });
    it('is refused in each of n choices', async () => {
      const whole = await create(refusing(), {...bad, n: 2});
      assert.deepEqual(whole.choices.map((choice) => [choice.index, choice.message.content]),
          [[0, promptRefusal], [1, promptRefusal]]);
      const {choices} = await stream(refusing(), {...bad, n: 2});
      assert.deepEqual(choices.map((choice) => [choice.content, choice.finish]),
          [[promptRefusal, 'content_filter'], [promptRefusal, 'content_filter']]);
    });
    for (const [form, call] of Object.entries({
      'whole': (sdk) => create(sdk, bad), 'streamed': (sdk) => stream(sdk, bad),
      '.stream() helper': (sdk) => sdk.chat.completions.stream(bad).finalContent()})) {
      it(`in style error is a 400 that is not tried again, ${form}`, async () => {
        const seen = upstream.seen.length;
        const before = (await gateway.records()).length;
        const {thrown, error} = await outcomeOf(() => call(erring({maxRetries: 3})));
        assert.deepEqual([thrown.name, thrown.status, thrown.code, thrown.type],
            ['BadRequestError', 400, 'content_filter', 'invalid_request_error']);
        assert.match(error.message, new RegExp(promptRefusal));
        assert.equal(upstream.seen.length, seen);
        assert.equal((await gateway.records()).length, before + 2, 'one try, two records');
      });
    }

    const hidden = {
      'between separators': ask('请写 禁-用*词 语'),
      'in full width and traditional characters': ask('請寫禁用詞語'),
      'over two parts of one message': ask([{type: 'text', text: '请写禁用'}, {type: 'text', text: '词语'}]),
      'in a system message': {model: 'test-model', messages: [{role: 'system', content: word}, {role: 'user', content: '你好'}]},
      'in a tool result': {model: 'test-model', messages: [{role: 'tool', tool_call_id: 'x', content: `{"a":"${word}"}`}]},
      'in the arguments of an earlier tool call, escaped twice': {model: 'test-model', messages: [{role: 'assistant',
        content: null, tool_calls: [{id: 'x', type: 'function', function: {name: 'send',
          arguments: '{"to":"\\u7981\\u7528\\u8bcd\\u8bed"}'}}]}]},
      'in a tool description': ask('你好', {tools: [{type: 'function', function: {name: 'f', description: word, parameters: {}}}]}),
      'in a field that nobody knows': ask('你好', {brand_new_field: {deep: [word]}}),
      'in a key of an unknown object': ask('你好', {brand_new_field: {[word]: 1}}),
      'in stop': ask('你好', {stop: [word]}),
    };
    for (const [place, request] of Object.entries(hidden)) {
      it(`is found ${place}`, async () => {
        const seen = upstream.seen.length;
        const got = await create(refusing(), request);
        assert.equal(got.choices[0].finish_reason, 'content_filter');
        assert.equal(upstream.seen.length, seen);
      });
    }
  });

  describe('a masked prompt', () => {
    it('reaches the model masked and is otherwise byte for byte the client\'s', async () => {
      upstream.play = answer({text: clean});
      const request = ask(`我的电话是${mobile}，请记住 "x" \\ 。`, {seed: 1});
      const {data, response} = await create(refusing(), request).withResponse();
      assert.equal(data.choices[0].message.content, clean);
      assert.equal(upstream.last.text, JSON.stringify(request).replace(mobile, masked));
      assert.equal(response.headers.get('x-weir-action'), 'mask');
      const [prompt] = await recordsOf(response.headers.get('x-weir-decision'));
      assert.equal(prompt.action, 'mask');
      assert.equal(prompt.findings[0].rule, 'ETE-0020');
    });
    it('in tool arguments stays JSON', async () => {
      upstream.play = answer({text: clean});
      await create(refusing(), {model: 'test-model', messages: [{role: 'assistant', content: null, tool_calls: [{id: 'x',
        type: 'function', function: {name: 'send', arguments: JSON.stringify({to: mobile, note: '"引号"'})}}]},
      {role: 'tool', tool_call_id: 'x', content: 'ok'}]});
      assert.deepEqual(JSON.parse(upstream.last.body.messages[0].tool_calls[0].function.arguments),
          {to: masked, note: '"引号"'});
    });
  });

  describe('a masked answer', () => {
    const text = `${clean}电话${mobile}和遮盖词语，${clean}`;
    const expected = `${clean}电话${masked}和［遮盖］，${clean}`;

    it('whole', async () => {
      upstream.play = answer({text, logprobs: {content: [{token: 'x', logprob: -1, bytes: null, top_logprobs: []}], refusal: null}});
      const {choices: [choice]} = await create(refusing(), ask('你好', {logprobs: true}));
      assert.equal(choice.message.content, expected);
      assert.equal(choice.finish_reason, 'stop');
      assert.equal(choice.logprobs, null, 'they spell the text out');
    });
    for (const size of [1, 2, 3, 5, 8, 100]) {
      it(`streamed in pieces of ${size} characters`, async () => {
        upstream.play = answer({text}, {size});
        const {choices: [choice]} = await stream(refusing(), ask('你好'));
        assert.deepEqual([choice.content, choice.finish], [expected, 'stop']);
      });
    }
    for (const bytes of [1, 2, 5, 11]) {
      it(`streamed in writes of ${bytes} bytes, as \\u escapes`, async () => {
        upstream.play = answer({text}, {size: 2, recut: (all) => {
          const escaped = all.replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
          return escaped.match(new RegExp(`[^]{1,${bytes}}`, 'g'));
        }});
        const {choices: [choice]} = await stream(refusing(), ask('你好'));
        assert.deepEqual([choice.content, choice.finish], [expected, 'stop']);
      });
    }
    it('.stream() helper', async () => {
      upstream.play = answer({text});
      assert.equal(await refusing().chat.completions.stream(ask('你好')).finalContent(), expected);
    });
    it('in reasoning, refusal and tool arguments', async () => {
      const args = JSON.stringify({to: mobile, note: '遮盖词语"'});
      upstream.play = answer([{reasoning: text, text: clean}, {refusal: text}, {tools: [{name: 'send', arguments: args}]}]);
      const wanted = {to: masked, note: '［遮盖］"'};
      const {choices} = await create(refusing(), ask('你好', {n: 3, tools}));
      assert.equal(choices[0].message.reasoning_content, expected);
      assert.equal(choices[1].message.refusal, expected);
      assert.deepEqual(JSON.parse(choices[2].message.tool_calls[0].function.arguments), wanted);
      const {choices: streamed} = await stream(refusing(), ask('你好', {n: 3, tools}));
      assert.deepEqual([streamed[0].reasoning, streamed[0].content, streamed[1].refusal], [expected, clean, expected]);
      assert.deepEqual(JSON.parse(streamed[2].tools[0].arguments), wanted);
    });
  });

  describe('a blocked answer', () => {
    const text = `${clean}${word}，然后继续说下去。`;

    it('whole: the refusal stands in its place', async () => {
      upstream.play = answer({text, reasoning: '想', tools: undefined});
      const {data, response} = await create(refusing(), ask('你好')).withResponse();
      const [choice] = completionOutcome(data).choices;
      assert.deepEqual([choice.content, choice.finish, choice.reasoning], [answerRefusal, 'content_filter', null]);
      assert.equal(response.headers.get('x-weir-action'), 'block');
    });
    it('whole, style error: a 400', async () => {
      upstream.play = answer({text});
      const {thrown} = await outcomeOf(() => create(erring({maxRetries: 2}), ask('你好')));
      assert.deepEqual([thrown.name, thrown.code], ['BadRequestError', 'content_filter']);
    });
    for (const size of [1, 2, 3, 4, 7, 100]) {
      it(`streamed in pieces of ${size}: stopped before the word, the model cut off`, async () => {
        const lost = upstream.lost;
        // The model never ends by itself: Weir has to hang up.
        upstream.play = beginning({text: text.repeat(3)}, () => {}, {count: 2 + Math.ceil([...text].length / size), size});
        const {choices: [choice]} = await stream(refusing(), ask('你好'));
        assert.equal(choice.finish, 'content_filter');
        assert.ok(choice.content.startsWith(clean), choice.content);
        assert.ok(choice.content.endsWith(answerRefusal), choice.content);
        for (const character of word) assert.ok(!choice.content.includes(character), choice.content);
        await until(() => upstream.lost === lost + 1, 'the model has been cut off');
      });
    }
    it('.stream() helper ends without an exception', async () => {
      upstream.play = answer({text});
      const final = await refusing().chat.completions.stream(ask('你好')).finalChatCompletion();
      assert.equal(final.choices[0].finish_reason, 'content_filter');
      assert.ok(!final.choices[0].message.content.includes(word[0]));
    });
    it('streamed, style error: what was clean, then an APIError', async () => {
      upstream.play = answer({text});
      let content = '';
      const {thrown} = await outcomeOf(async () => {
        for await (const chunk of await create(erring(), ask('你好', {stream: true}))) {
          content += chunk.choices[0].delta.content ?? '';
        }
      });
      assert.deepEqual([thrown.name, thrown.code], ['APIError', 'content_filter']);
      assert.equal(content, clean);
    });
    it('n = 2: the other choice goes on', async () => {
      upstream.play = answer([{text}, {text: clean.repeat(4)}]);
      const {choices} = await stream(refusing(), ask('你好', {n: 2, stream_options: {include_usage: true}}));
      assert.equal(choices[0].finish, 'content_filter');
      assert.deepEqual([choices[1].content, choices[1].finish], [clean.repeat(4), 'stop']);
      const whole = await create(refusing(), ask('你好', {n: 2}));
      assert.deepEqual(whole.choices.map((choice) => [choice.message.content, choice.finish_reason]),
          [[answerRefusal, 'content_filter'], [clean.repeat(4), 'stop']]);
    });
    it('in tool arguments, behind escapes of escapes', async () => {
      const args = '{"to":"\\u7981\\u7528\\u8bcd\\u8bed"}';
      upstream.play = answer({tools: [{name: 'send', arguments: args}]});
      const whole = await create(refusing(), ask('你好', {tools}));
      assert.deepEqual([whole.choices[0].finish_reason, whole.choices[0].message.tool_calls], ['content_filter', undefined]);
      for (const size of [1, 2, 5, 100]) {
        upstream.play = answer({tools: [{name: 'send', arguments: args}]}, {size});
        const {choices: [choice]} = await stream(refusing(), ask('你好', {tools}));
        assert.equal(choice.finish, 'content_filter');
        assert.doesNotMatch(JSON.stringify(choice.tools), /7981|禁/);
      }
    });
    it('in reasoning and in the model\'s refusal', async () => {
      for (const kind of ['reasoning', 'refusal']) {
        upstream.play = answer({[kind]: text, ...(kind === 'reasoning' && {text: clean})});
        const {choices: [choice]} = await stream(refusing(), ask('你好'));
        assert.equal(choice.finish, 'content_filter');
        assert.ok(!choice[kind].includes(word[0]), choice[kind]);
      }
    });
    it('in the text of an upstream\'s error', async () => {
      upstream.play = (request, response) => {
        response.writeHead(400, {'content-type': 'application/json'});
        response.end(JSON.stringify({error: {message: `bad: ${word}`, type: 'invalid_request_error', param: null, code: null}}));
      };
      const {error} = await outcomeOf(() => create(refusing(), ask('你好')));
      assert.equal(error.status, 400);
      assert.ok(!error.message.includes(word));
    });
  });

  it('what cannot be inspected is refused with a clear error', async () => {
    const seen = upstream.seen.length;
    const {thrown, error} = await outcomeOf(() => create(refusing(), ask([{type: 'image_url',
      image_url: {url: 'data:image/png;base64,AAAA'}}])));
    assert.equal(thrown.status, 400);
    assert.match(error.message, /image/);
    assert.equal(upstream.seen.length, seen);
  });
  it('a flagged exchange is untouched and recorded', async () => {
    upstream.play = answer({text: '这里有留痕词语。'});
    const {data, response} = await create(refusing(), ask('你好')).withResponse();
    assert.equal(data.choices[0].message.content, '这里有留痕词语。');
    const records = await recordsOf(response.headers.get('x-weir-decision'));
    assert.deepEqual(records.map((record) => [record.kind, record.action]), [['prompt', 'allow'], ['answer', 'flag']]);
    assert.deepEqual(records[1].findings.map((finding) => finding.rule), ['ETE-0030']);
  });
  it('the user of a request stands in its records', async () => {
    upstream.play = answer({text: clean});
    await create(refusing(), ask('你好', {user: 'old-name', safety_identifier: 'user-42'}));
    const records = await gateway.records('--user', 'user-42');
    assert.deepEqual(records.map((record) => record.kind), ['prompt', 'answer']);
  });
  it('the ledger verifies', async () => {
    const {code, out, err} = await gateway.verify();
    assert.equal(code, 0, out + err);
  });
});
