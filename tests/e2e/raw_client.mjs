// Bytes on a socket, for what no HTTP library would send.
import net from 'node:net';

export class RawClient {
  static async connect(port) {
    const client = new RawClient();
    client.received = '';
    client.closed = false;
    client.socket = net.connect({port, host: '127.0.0.1', noDelay: true});
    client.socket.setEncoding('utf8');
    client.socket.on('data', (text) => { client.received += text; client.wake?.(); });
    client.socket.on('error', (error) => { client.error = error; });
    client.socket.on('close', () => { client.closed = true; client.wake?.(); });
    await new Promise((resolve, reject) => {
      client.socket.once('connect', resolve);
      client.socket.once('error', reject);
    });
    return client;
  }

  send(bytes) {
    return new Promise((resolve) => this.socket.write(bytes, () => resolve()));
  }

  // What has been received once `wanted(received, closed)` holds.
  async receive(wanted = (text, closed) => closed, timeoutMs = 20_000) {
    const deadline = Date.now() + timeoutMs;
    while (!wanted(this.received, this.closed)) {
      if (this.closed) throw new Error(`closed after ${JSON.stringify(this.received.slice(-400))}`);
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`waited in vain after ${JSON.stringify(this.received.slice(-400))}`);
      let timer;
      await new Promise((resolve) => { this.wake = resolve; timer = setTimeout(resolve, left); });
      clearTimeout(timer);
    }
    return this.received;
  }

  end() { this.socket.destroy(); }
}

export const statusOf = (response) => Number(/^HTTP\/1\.1 (\d{3}) /.exec(response)?.[1]);
export const bodyOf = (response) => response.slice(response.indexOf('\r\n\r\n') + 4);

// A POST of chat completions as bytes.
export function post(body, {key, path = '/v1/chat/completions', method = 'POST', headers = ''} = {}) {
  return `${method} ${path} HTTP/1.1\r\nHost: weir\r\nAuthorization: Bearer ${key}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;
}
