// An OpenAI-compatible upstream that plays any answer, over plain TCP or TLS.
//
// A test sets `play` to (request, response, body) => ...; the functions below write what real
// providers write, and what they write when they fail. Everything received is kept in `seen`.
import http from 'node:http';
import https from 'node:https';

export class FakeUpstream {
  static async start(t, tls) {
    const upstream = new FakeUpstream();
    upstream.seen = [];
    upstream.lost = 0;  // connections that went away before the answer had ended
    upstream.play = answer({text: 'unscripted'});
    const serve = (request, response) => {
      const pieces = [];
      request.on('data', (piece) => pieces.push(piece));
      request.on('end', () => {
        const text = Buffer.concat(pieces).toString('utf8');
        const body = text === '' ? undefined : JSON.parse(text);
        upstream.seen.push({method: request.method, url: request.url, headers: request.headers, text, body});
        response.on('close', () => {
          if (!response.writableFinished) ++upstream.lost;
        });
        if (request.method === 'POST' && request.url !== '/v1/chat/completions') {
          return error(404, {message: `no ${request.url} here`, type: 'invalid_request_error', param: null, code: null})(request, response);
        }
        upstream.play(request, response, body);
      });
      request.on('error', () => {});
      response.on('error', () => {});
    };
    upstream.server = tls ? https.createServer(tls, serve) : http.createServer(serve);
    upstream.server.keepAliveTimeout = 60_000;
    upstream.server.on('tlsClientError', () => {});
    await new Promise((resolve) => upstream.server.listen(0, '127.0.0.1', resolve));
    upstream.port = upstream.server.address().port;
    upstream.base = `${tls ? 'https' : 'http'}://127.0.0.1:${upstream.port}/v1`;
    t.after(() => upstream.stop());
    return upstream;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  get last() { return this.seen.at(-1); }
}

const head = (body, object) =>
  ({id: 'chatcmpl-fake', object, created: 1764000000, model: body?.model ?? 'test-model'});
const usage = {prompt_tokens: 7, completion_tokens: 11, total_tokens: 18};

export function completion(body, choices) {
  return {
    ...head(body, 'chat.completion'),
    choices: choices.map((choice, index) => ({
      index,
      message: {role: 'assistant', content: choice.text ?? null, refusal: choice.refusal ?? null,
        ...(choice.reasoning && {reasoning_content: choice.reasoning}),
        ...(choice.tools && {tool_calls: choice.tools.map((tool, i) => (
          {id: `call_${i}`, type: 'function', function: {name: tool.name, arguments: tool.arguments}}))})},
      logprobs: choice.logprobs ?? null,
      finish_reason: choice.finish ?? (choice.tools ? 'tool_calls' : 'stop'),
    })),
    usage,
  };
}

const cut = (text, size) => {
  const characters = [...text];
  const pieces = [];
  for (let i = 0; i < characters.length; i += size) pieces.push(characters.slice(i, i + size).join(''));
  return pieces;
};

// The chunks of a streamed answer: roles, then the choices' pieces in turn, then the ends.
export function chunks(body, choices, {size = 1} = {}) {
  const chunk = (index, delta, finish = null, logprobs) => (
    {...head(body, 'chat.completion.chunk'),
      choices: [{index, delta, logprobs: logprobs ?? null, finish_reason: finish}],
      ...(body?.stream_options?.include_usage && {usage: null})});
  const out = choices.map((_, index) => chunk(index, {role: 'assistant', content: ''}));
  const lanes = choices.map((choice, index) => [
    ...cut(choice.reasoning ?? '', size).map((piece) => chunk(index, {reasoning_content: piece})),
    ...cut(choice.text ?? '', size).map((piece) => chunk(index, {content: piece}, null,
        choice.logprobs && {content: [{token: piece, logprob: -0.1, bytes: null, top_logprobs: []}], refusal: null})),
    ...cut(choice.refusal ?? '', size).map((piece) => chunk(index, {refusal: piece})),
    ...(choice.tools ?? []).flatMap((tool, i) => [
      chunk(index, {tool_calls: [{index: i, id: `call_${i}`, type: 'function', function: {name: tool.name, arguments: ''}}]}),
      ...cut(tool.arguments, size).map((piece) =>
        chunk(index, {tool_calls: [{index: i, function: {arguments: piece}}]})),
    ]),
  ]);
  for (let i = 0; lanes.some((lane) => i < lane.length); ++i) {
    for (const lane of lanes) if (i < lane.length) out.push(lane[i]);
  }
  choices.forEach((choice, index) =>
    out.push(chunk(index, {}, choice.finish ?? (choice.tools ? 'tool_calls' : 'stop'))));
  if (body?.stream_options?.include_usage) out.push({...head(body, 'chat.completion.chunk'), choices: [], usage});
  return out;
}

export const asEvents = (list) => list.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`);
const eventStream = {'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache'};

// An answer in whichever form was asked for. Options: n choices, `size` characters a chunk,
// `recut(text)` -> pieces as they are written, `done: false` leaves out [DONE].
export function answer(choice, options = {}) {
  const choices = Array.isArray(choice) ? choice : [choice];
  return async (request, response, body) => {
    if (!body.stream) {
      response.writeHead(200, {'content-type': 'application/json'});
      response.end(JSON.stringify(completion(body, choices)));
      return;
    }
    response.writeHead(200, eventStream);
    let events = asEvents(chunks(body, choices, options));
    if (options.done !== false) events.push('data: [DONE]\n\n');
    if (options.recut) events = options.recut(events.join(''));
    for (const event of events) {
      if (response.destroyed) return;
      response.write(event);
      await new Promise(setImmediate);  // each write a packet of its own, where the kernel lets it
    }
    response.end();
  };
}

// Chunks now, then `then(response)`: to hang, to die, to wait for the test.
export function beginning(choice, then, {count = 5, size = 1} = {}) {
  return (request, response, body) => {
    response.writeHead(200, eventStream);
    response.write(asEvents(chunks(body, [choice], {size})).slice(0, count).join(''), () => then(response));
  };
}

export function error(status, payload, headers = {}) {
  return (request, response) => {
    response.writeHead(status, {'content-type': 'application/json', ...headers});
    response.end(typeof payload === 'string' ? payload : JSON.stringify({error: payload}));
  };
}

export const raw = (status, headers, text) => (request, response) => {
  response.writeHead(status, headers);
  response.end(text);
};
