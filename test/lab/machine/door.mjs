/** The way into the emulated host: one bash script a connection (recipe/host/door says how it is spoken). Every order has a deadline. */
import { randomBytes } from 'node:crypto';
import { createConnection } from 'node:net';

const USUAL_SECONDS = 60;
/** Beyond the order's own deadline, which the other side keeps. */
const GRACE_MS = 8_000;
const OUTPUT_MAX = 16 * 2 ** 20;

/**
 * @param {number} port @param {string} script
 * @param {{ seconds?: number, input?: Buffer, onOutput?: (text: string) => void }} [options]
 * @returns {Promise<{ code: number, output: string }>} 124: not done in time
 */
export function order(port, script, { seconds = USUAL_SECONDS, input, onOutput } = {}) {
  const mark = `lab-${randomBytes(9).toString('hex')}`;
  const body = Buffer.from(script);
  return new Promise((done, fail) => {
    const socket = createConnection(port, '127.0.0.1');
    const parts = [];
    let size = 0;
    const timer = setTimeout(() => socket.destroy(new Error(`the emulated host does not answer within ${seconds} s: ${script.slice(0, 80)}`)), seconds * 1000 + GRACE_MS);
    socket.on('connect', () => { socket.write(`${mark} ${seconds} ${body.length}\n`); socket.write(body); if (input) socket.write(input); });
    socket.on('data', (data) => {
      size += data.length;
      if (size > OUTPUT_MAX) socket.destroy(new Error('the emulated host says too much'));
      parts.push(data);
      onOutput?.(data.toString());
    });
    socket.on('error', (error) => { clearTimeout(timer); fail(error); });
    socket.on('close', () => {
      clearTimeout(timer);
      const text = Buffer.concat(parts).toString();
      const end = text.lastIndexOf(`\n${mark} `);
      if (end < 0) return fail(new Error(`the emulated host hung up: ${text.slice(-200)}`));
      done({ code: Number(text.slice(end + mark.length + 2)), output: text.slice(0, end) });
    });
  });
}
