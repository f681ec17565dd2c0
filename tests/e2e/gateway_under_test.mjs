// Starts the real program with a configuration of its own on free ports, and asks it for records.
//
// WEIR_BIN names the program. Everything else lives in a temporary folder that goes with the test.
import {execFile, spawn} from 'node:child_process';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const weirProgram = path.resolve(process.env.WEIR_BIN ?? path.join(root, 'build/dev/weir'));
export const keys = {refusal: 'e2e-key-refusal', error: 'e2e-key-error'};
const startTimeoutMs = 20_000;

// What a suite started, ended with it: `const scope = new Scope(); after(() => scope.end());`
export class Scope {
  #endings = [];
  after(ending) { this.#endings.push(ending); }
  async end() {
    for (const ending of this.#endings.reverse()) await ending();
  }
}

export async function temporaryFolder(t) {
  const folder = await mkdtemp(path.join(tmpdir(), 'weir-e2e-'));
  t?.after(() => rm(folder, {recursive: true, force: true}));
  return folder;
}

// Ports that nothing listens on, all different.
export async function freePorts(count) {
  const servers = await Promise.all(Array.from({length: count}, () => new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  })));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

// Runs the program to its end: {code, out, err}.
export function runWeir(args, {input, env, program = weirProgram} = {}) {
  return new Promise((resolve) => {
    const child = execFile(program, args,
        {cwd: root, env: {...process.env, ...env}, maxBuffer: 1 << 30, timeout: 60_000},
        (error, out, err) => resolve({code: error ? error.code ?? -1 : 0, out, err}));
    child.stdin.on('error', () => {});
    child.stdin.end(input ?? '');
  });
}

// Polls until `done` returns something true; the only waiting that these tests do by the clock.
export async function until(done, what, timeoutMs = startTimeoutMs) {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const result = await done();
    if (result) return result;
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function get(url, headers = {}, {method = 'GET', body: sent} = {}) {
  return new Promise((resolve, reject) => {
    http.request(url, {method, headers, agent: false}, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (piece) => body += piece);
      response.on('end', () => resolve({status: response.statusCode, headers: response.headers, body}));
      response.on('error', reject);
    }).on('error', reject).end(sent);
  });
}

export function configText({port, adminPort, folder, upstreamUrl, demoPort, extra = '', content = 'digest', audit = '', packs, threads = 2}) {
  const base = upstreamUrl ?? `http://127.0.0.1:${demoPort}/v1`;
  return `listen: 127.0.0.1:${port}
admin: {listen: 127.0.0.1:${adminPort}}
threads: ${threads}
drain_seconds: 10
${demoPort ? `demo_model: {listen: 127.0.0.1:${demoPort}}\n` : ''}upstreams:
  - {name: model, dialect: openai, base_url: ${base}, api_key_env: WEIR_E2E_UPSTREAM_KEY, region: cn}
models:
  - {name: test-model, upstream: model}
  - {name: other-name, upstream: model, upstream_model: test-model}
apps:
  - {id: app-refusal, key_env: WEIR_E2E_KEY_REFUSAL, profile: e2e-refusal}
  - {id: app-error, key_env: WEIR_E2E_KEY_ERROR, profile: e2e-error}
rules: {packs: [${(packs ?? ['tests/e2e/packs/e2e.yaml']).join(', ')}]}
profiles: [tests/e2e/profiles]
audit: {dir: ${folder}/audit, durability: strict, content: ${content}${audit}}
${extra}`;
}

export const environment = {
  WEIR_E2E_KEY_REFUSAL: keys.refusal,
  WEIR_E2E_KEY_ERROR: keys.error,
  WEIR_E2E_UPSTREAM_KEY: 'upstream-key',
};

export class Gateway {
  // `t` is the test context or Scope that the gateway ends with; without one the caller calls stop().
  static async start(t, options = {}) {
    const gateway = new Gateway();
    gateway.folder = options.folder ?? await temporaryFolder(t);
    const [port, adminPort, demoPort] = await freePorts(3);
    Object.assign(gateway, {port, adminPort, demoPort: options.demo ? demoPort : undefined});
    gateway.configFile = path.join(gateway.folder, 'weir.yaml');
    gateway.options = options;
    await gateway.writeConfig();
    t?.after(() => gateway.stop());
    await gateway.spawn();
    return gateway;
  }

  async writeConfig(changes = {}) {
    await writeFile(this.configFile, configText({...this, ...this.options, demoPort: this.demoPort, ...changes}));
  }

  // Returns when the gateway is ready; throws what it said if it ended instead.
  async spawn() {
    this.log = '';
    this.code = undefined;
    this.child = spawn(weirProgram, ['serve', '--config', this.configFile],
        {cwd: root, env: {...process.env, ...environment, ...this.options.env}, stdio: ['ignore', 'pipe', 'pipe']});
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => this.log += text);
    }
    this.ended = new Promise((resolve) => this.child.once('close', (code, signal) => {
      this.code = code;
      this.signal = signal;
      resolve({code, signal});
    }));
    await until(async () => {
      if (this.code !== undefined && this.code !== null) throw new Error(`weir ended with ${this.code}: ${this.log}`);
      return (await get(`${this.admin}/readyz`).catch(() => ({}))).status === 200;
    }, 'weir is ready');
    return this;
  }

  get base() { return `http://127.0.0.1:${this.port}/v1`; }
  get admin() { return `http://127.0.0.1:${this.adminPort}`; }

  async stop() {
    if (this.child && this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGTERM');
      await this.ended;
    }
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.ended;
    this.code = this.signal = undefined;
  }

  // Every record, oldest first.
  async records(...filters) {
    const {code, out, err} = await runWeir(
        ['audit', 'query', '--json', '--dir', `${this.folder}/audit`, '--limit', '100000', ...filters]);
    if (code !== 0) throw new Error(`weir audit query ended with ${code}: ${err}`);
    return out.split('\n').filter(Boolean).map((line) => JSON.parse(line)).reverse();
  }

  async verify() {
    return runWeir(['audit', 'verify', '--dir', `${this.folder}/audit`]);
  }
}
