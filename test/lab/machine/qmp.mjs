/** QEMU's monitor, for one order after the other. A connection that dies fails what is under way; nothing is retried. */
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';

const CONNECT_MS = 10_000;
const ANSWER_MS = 60_000;

export class Monitor {
  #socket;
  #waiting = [];
  #gone;

  /** @param {string} path of the socket; tried until somebody answers */
  static async connect(path) {
    const end = Date.now() + CONNECT_MS;
    for (;;) {
      const socket = createConnection(path);
      const opened = await new Promise((done) => { socket.once('connect', () => done(true)); socket.once('error', () => done(false)); });
      if (opened) {
        const monitor = new Monitor(socket);
        await monitor.order('qmp_capabilities');
        return monitor;
      }
      if (Date.now() > end) throw new Error(`nobody listens on ${path}`);
      await new Promise((done) => { setTimeout(done, 30); });
    }
  }

  constructor(socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on('error', () => undefined).on('line', (line) => {
      const said = JSON.parse(line);
      if ('return' in said) this.#waiting.shift()?.done(said.return);
      else if ('error' in said) this.#waiting.shift()?.fail(new Error(`QEMU: ${said.error.desc}`));
    });
    const lost = () => { this.#gone = new Error('QEMU is gone'); for (const { fail } of this.#waiting.splice(0)) fail(this.#gone); };
    socket.on('close', lost).on('error', lost);
  }

  order(execute, given = {}) {
    if (this.#gone) return Promise.reject(this.#gone);
    return new Promise((done, fail) => {
      const timer = setTimeout(() => fail(new Error(`QEMU does not answer ${execute}`)), ANSWER_MS);
      const settled = (then) => (value) => { clearTimeout(timer); then(value); };
      this.#waiting.push({ done: settled(done), fail: settled(fail) });
      this.#socket.write(`${JSON.stringify({ execute, arguments: given })}\n`);
    });
  }

  close() { this.#socket.destroy(); }
}
