/**
 * Two WebSockets made one connection: what comes from one goes to the other. Nothing piles up (a slow side holds up the other),
 * the dead are found by pings, and idle or too long connections end. Knows nothing of what is carried.
 */
import { WebSocket, type RawData } from 'ws';
import { LIMITS } from './limits.js';

export interface JoinOptions {
  /** Nothing came from either side for this long: the end. */
  readonly idleMs: number;
  /** The end, whatever happens. */
  readonly maxMs: number;
  readonly maxReason: string;
  /** Asked every `watchMs` (default: with every ping): false is the end, for `maxReason`. */
  readonly mayGoOn?: () => boolean;
  readonly watchMs?: number;
  /** The first side wants text: base64. */
  readonly base64: boolean;
  readonly pingMs?: number;
}

export interface JoinEnd { readonly reason: string; readonly fromFirst: number; readonly toFirst: number }

/** Codes that may be sent; what a peer's end brings besides (1005, 1006) only exists on this side. */
const sendable = (code: number): number => (code === 1000 || code === 1001 || code === 1009 || code === 1011 || (code >= 4000 && code <= 4999) ? code : code === 1005 ? 1000 : 1011);

/** A reason as it may be sent: at most 123 bytes of UTF-8. */
export function closeReason(text: string): string {
  let cut = text.slice(0, 123);
  while (Buffer.byteLength(cut) > 123) cut = cut.slice(0, -1);
  return cut;
}

/** Resolves when both are closed. Both sockets come paused. */
export function joinWebSockets(first: WebSocket, second: WebSocket, options: JoinOptions): Promise<JoinEnd> {
  return new Promise((resolve) => {
    const counts = { fromFirst: 0, toFirst: 0 };
    const sides = [first, second] as const;
    const alive = new Map(sides.map((side) => [side, true]));
    let lastMs = performance.now();
    let ended: string | undefined;

    const end = (reason: string, code: number, except?: WebSocket): void => {
      if (ended !== undefined) return;
      ended = reason;
      clearInterval(heart);
      clearTimeout(limit);
      clearInterval(watch);
      for (const side of sides) {
        if (side === except) continue;
        side.resume();
        side.close(code, closeReason(reason));
        // Who does not answer the goodbye, or still has much to read, is cut off.
        setTimeout(() => side.terminate(), LIMITS.goodbyeMs).unref();
      }
    };
    const carry = (from: WebSocket, to: WebSocket, count: keyof typeof counts, convert: (data: Buffer, binary: boolean) => Buffer | string): void => {
      from.on('message', (data: RawData, binary: boolean) => {
        lastMs = performance.now();
        alive.set(from, true);
        if (to.readyState !== WebSocket.OPEN) return;
        const bytes = convert(data as Buffer, binary);
        counts[count] += bytes.length;
        to.send(bytes, { binary: typeof bytes !== 'string' }, () => { if (from.isPaused && ended === undefined && to.bufferedAmount <= LIMITS.webSocketBufferBytes / 2) from.resume(); });
        if (to.bufferedAmount > LIMITS.webSocketBufferBytes) from.pause();
      });
      from.on('pong', () => alive.set(from, true));
      // ws says goodbye to the sender by itself; the other side would only see a break.
      from.once('error', (error: NodeJS.ErrnoException) => { if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') end('A message was too large.', 1009, from); });
      from.once('close', (code: number, reason: Buffer) => end(reason.toString('utf8') || (code === 1006 ? 'The connection broke.' : 'Closed.'), sendable(code), from));
    };
    carry(first, second, 'fromFirst', (data, binary) => (binary || !options.base64 ? data : Buffer.from(data.toString('latin1'), 'base64')));
    carry(second, first, 'toFirst', (data) => (options.base64 ? data.toString('base64') : data));

    const heart = setInterval(() => {
      if (performance.now() - lastMs > options.idleMs) return end('Nothing moved for too long.', 4408);
      for (const side of sides) {
        // A side that is held up cannot be heard.
        if (side.isPaused) continue;
        if (alive.get(side) === false) {
          side.terminate();
          continue;
        }
        alive.set(side, false);
        side.ping();
      }
    }, options.pingMs ?? LIMITS.webSocketPingMs);
    const limit = setTimeout(() => end(options.maxReason, 4401), Math.min(options.maxMs, 2 ** 31 - 1));

    const { mayGoOn } = options;
    const watch = mayGoOn === undefined ? undefined : setInterval(() => { if (!mayGoOn()) end(options.maxReason, 4401); }, options.watchMs ?? options.pingMs ?? LIMITS.webSocketPingMs);

    let open = 0;
    for (const side of sides) {
      if (side.readyState === WebSocket.CLOSED) {
        end('The connection broke.', 1011, side);
        continue;
      }
      open += 1;
      side.once('close', () => { open -= 1; if (open === 0) resolve({ reason: ended ?? 'Closed.', ...counts }); });
    }
    if (open === 0) resolve({ reason: ended ?? 'Closed.', ...counts });
    for (const side of sides) side.resume();
  });
}
