// Load on a gateway, and what its clients and its upstream saw of it.
//
// The upstream answers at once and remembers which exchanges reached it: Weir passes its own
// exchange id on as x-request-id when the client sent none. An Asker is one keep-alive connection
// that asks for one answer after another, whole or streamed, until it is gone or told to stop.
import http from 'node:http';
import net from 'node:net';

import {asEvents, chunks, completion} from '../e2e/fake_upstream.mjs';
import {keys} from '../e2e/gateway_under_test.mjs';

// A small generator with a seed, so that a failing run can be run again (mulberry32).
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const texts = ['清晨的河水慢慢流过堤坝，老人坐在岸边看书。', '电话是13812345678，请记下。', '这里有禁用词语，应当停下。'];
const prompts = ['你好', '请介绍一下黄河', '我的电话是13912345678', '请写一段禁用词语'];

export class CountingUpstream {
  // `delayMs`: between the events of a stream.
  static async start({delayMs = 0} = {}) {
    const upstream = new CountingUpstream();
    upstream.reached = new Map();  // exchange id -> when
    upstream.server = http.createServer((request, response) => {
      upstream.reached.set(request.headers['x-request-id'], Date.now());
      const pieces = [];
      request.on('data', (piece) => pieces.push(piece));
      request.on('end', () => {
        const body = JSON.parse(Buffer.concat(pieces));
        const choice = [{text: texts[body.messages[0].content.length % texts.length]}];
        if (!body.stream) {
          response.writeHead(200, {'content-type': 'application/json'});
          response.end(JSON.stringify(completion(body, choice)));
          return;
        }
        response.writeHead(200, {'content-type': 'text/event-stream'});
        const events = asEvents(chunks(body, choice, {size: 4}));
        const next = delayMs === 0 ? setImmediate : (call, at) => setTimeout(call, delayMs, at);
        const write = (at) => {
          if (response.destroyed) return;
          if (at === events.length) {
            response.end('data: [DONE]\n\n');
          } else {
            response.write(events[at]);
            next(write, at + 1);
          }
        };
        write(0);
      });
      response.on('error', () => {});
    });
    upstream.server.keepAliveTimeout = 60_000;
    await new Promise((resolve) => upstream.server.listen(0, '127.0.0.1', resolve));
    upstream.url = `http://127.0.0.1:${upstream.server.address().port}/v1`;
    return upstream;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

export class Asker {
  // `answered` gets {begun, ended, id, status, stream, complete, done, body} of each answer as far
  // as it came: `complete`, the body is whole; `done`, a stream ended in good order. What it
  // returns is waited for before the next question; false ends the connection.
  constructor({port, random, answered}) {
    this.random = random;
    this.answered = answered;
    this.text = '';
    this.socket = net.connect({port, host: '127.0.0.1', noDelay: true});
    this.socket.setEncoding('utf8');
    this.socket.on('connect', () => this.ask());
    this.socket.on('data', (text) => { this.text += text; this.read(); });
    this.socket.on('error', () => {});
    this.gone = new Promise((resolve) => this.socket.on('close', () => {
      if (this.asking && this.text !== '') this.answered(this.answer(false));
      resolve();
    }));
  }

  ask() {
    this.text = '';
    this.stream = this.random() < 0.5;
    const content = prompts[Math.floor(this.random() * prompts.length)];
    const body = JSON.stringify({model: 'test-model', stream: this.stream, messages: [{role: 'user', content}]});
    this.begun = Date.now();
    this.asking = true;
    this.socket.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: weir\r\nAuthorization: Bearer ${keys.refusal}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }

  answer(complete) {
    const end = this.text.indexOf('\r\n\r\n');
    const head = this.text.slice(0, Math.max(0, end)).toLowerCase();
    const body = end < 0 ? '' : this.text.slice(end + 4);
    return {begun: this.begun, ended: Date.now(), id: /x-weir-decision: (\S+)/.exec(head)?.[1],
      status: Number(head.slice(9, 12)), stream: this.stream, complete, body,
      done: complete && (!body.includes('data:') || body.includes('data: [DONE]'))};
  }

  async read() {
    const end = this.text.indexOf('\r\n\r\n');
    if (end < 0) return;
    const length = /content-length: (\d+)/i.exec(this.text.slice(0, end))?.[1];
    const complete = length === undefined ? this.text.endsWith('\r\n0\r\n\r\n') :
      Buffer.byteLength(this.text.slice(end + 4)) >= Number(length);
    if (!complete) return;
    this.asking = false;
    if (await this.answered(this.answer(true)) === false) {
      this.socket.destroy();
    } else if (!this.socket.destroyed) {
      this.ask();
    }
  }
}

// What records say of the exchanges that clients and the upstream saw, as sentences; none when all
// is well. `seen`: answers by exchange id. Every exchange is begun and closed exactly once; whoever
// got all of an answer finds it recorded; nothing reached the upstream unrecorded.
export function contradictions(records, seen, reached) {
  const problems = [];
  const kinds = new Map();
  for (const record of records) {
    if (!record.exchange) continue;
    kinds.set(record.exchange, [...kinds.get(record.exchange) ?? [], record.kind]);
  }
  for (const [id, list] of kinds) {
    if (list.length !== 2 || list[0] !== 'prompt' || list[1] === 'prompt') problems.push(`exchange ${id} is recorded as ${list}`);
  }
  for (const [id, answer] of seen) {
    const list = kinds.get(id) ?? [];
    if (answer.status < 500 && !list.includes('prompt')) problems.push(`the client got bytes of ${id}, which has no prompt record`);
    if (answer.status < 500 && answer.done && !list.includes('answer')) {
      problems.push(`the client got all of ${id}, which has no answer record but ${list}`);
    }
  }
  for (const id of reached.keys()) {
    if (!(kinds.get(id) ?? []).includes('prompt')) problems.push(`the upstream got ${id}, which has no prompt record`);
  }
  return problems;
}
