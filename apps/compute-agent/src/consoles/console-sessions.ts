/**
 * Open consoles of one host. Opens the guest's side, dials the door with the session's one-time key, and carries bytes both
 * ways until either side ends. This host listens nowhere: whom it dials, the control plane says over the bus.
 *
 * Owns: how many are open, and that a slow side holds up the other instead of filling memory. A crash ends them all, which
 * the door notices.
 */
import type { Duplex } from 'node:stream';
import { WebSocket, type RawData } from 'ws';
import { CONSOLE_DIAL_PATH, openConsole, readDiagnostics, type HostId, type ReceivedBy } from '#libs/contracts';
import { badRequest, notFound, overQuota, unavailable } from '#libs/errors';
import type { Bus, Subscription } from '#libs/messaging';
import type { Logger } from '#libs/observability';
import { LIMITS } from '../limits.js';
import type { Ledger } from '../reconcile/ledger.js';
import type { GuestConsoles } from './guest-consoles.js';

export interface ConsoleSessionsOptions {
  readonly hostId: HostId;
  readonly bus: Bus;
  readonly ledger: Ledger;
  readonly consoles: GuestConsoles;
  readonly logger: Logger;
}

type Ask = ReceivedBy<typeof openConsole>;
interface Session { readonly ask: Ask; readonly stands: Promise<void>; end(code: number, reason: string): void }

/** Codes that the door passes on: 1000 ended in order, 1001 this host's agent goes away, 4409 somebody else took over. */
const CLOSE = { ended: 1000, away: 1001, failed: 1011, takenOver: 4409 } as const;

export class ConsoleSessions {
  readonly #sessions = new Map<string, Session>();

  constructor(private readonly options: ConsoleSessionsOptions) {}

  answer(): Subscription {
    const { bus, hostId, ledger, consoles } = this.options;
    const subscriptions = [
      bus.handle(openConsole, async (ask) => { await this.open(ask); return {}; }, { group: 'agent', hostId }),
      bus.handle(readDiagnostics, async ({ instanceId }) => {
        if (!ledger.entries.has(instanceId)) throw notFound('This host has no such instance.');
        return consoles.diagnostics(instanceId);
      }, { group: 'agent', hostId }),
    ];
    return { stop: async () => {
      this.close();
      await Promise.all(subscriptions.map((subscription) => subscription.stop()));
    } };
  }

  async open(ask: Ask): Promise<void> {
    const known = this.#sessions.get(ask.sessionId);
    if (known) return known.stands;
    const entry = this.options.ledger.entries.get(ask.instanceId);
    if (entry === undefined || entry.desired.intent === 'deleted') throw notFound('This host has no such instance.');
    const { pathname, protocol } = new URL(ask.url);
    if (!/^wss?:$/.test(protocol) || pathname !== `${CONSOLE_DIAL_PATH}${ask.sessionId}`) throw badRequest('The console is to be taken to no door of this cloud.');
    const others = [...this.#sessions.values()];
    const here = others.filter((session) => session.ask.instanceId === ask.instanceId);
    // A serial port has one reader; whoever comes later has a reason, and the one before may be a connection that died.
    const replaced = ask.kind === 'serial' ? here.filter((session) => session.ask.kind === 'serial') : [];
    if (others.length >= LIMITS.consolesOfHost) throw overQuota(`The server's host has ${LIMITS.consolesOfHost} consoles open, which is all it opens.`);
    if (here.length - replaced.length >= LIMITS.consolesOfInstance) throw overQuota(`The server has ${LIMITS.consolesOfInstance} consoles open, which is all it may have.`);
    let end: Session['end'] = () => undefined;
    const stands = this.#connect(ask, replaced, (ender) => { end = ender; });
    this.#sessions.set(ask.sessionId, { ask, stands, end: (code, reason) => end(code, reason) });
    stands.catch(() => this.#sessions.delete(ask.sessionId));
    return stands;
  }

  close(): void {
    for (const session of this.#sessions.values()) session.end(CLOSE.away, "The host's agent stops.");
  }

  async #connect(ask: Ask, replaced: readonly Session[], onEnder: (end: Session['end']) => void): Promise<void> {
    const { consoles, logger } = this.options;
    for (const session of replaced) {
      await session.stands.catch(() => undefined); // what is still being opened cannot be ended yet
      session.end(CLOSE.takenOver, 'The console was opened elsewhere.');
    }
    const guest = await consoles.open(ask.instanceId, ask.kind, replaced.length > 0);
    let door: WebSocket;
    try {
      guest.on('error', () => undefined);
      door = await dial(ask.url, ask.key);
    } catch (error) {
      guest.destroy();
      throw error;
    }
    logger.info({ sessionId: ask.sessionId, instanceId: ask.instanceId, kind: ask.kind }, 'console opened');
    onEnder((code, reason) => door.close(code, reason));
    carry(guest, door, () => {
      this.#sessions.delete(ask.sessionId);
      logger.info({ sessionId: ask.sessionId, instanceId: ask.instanceId }, 'console closed');
    });
  }
}

/** The door's socket, open and not read from yet. */
function dial(url: string, key: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const door = new WebSocket(url, {
      headers: { authorization: `Bearer ${key}` }, handshakeTimeout: LIMITS.consoleOpenMs, maxPayload: LIMITS.consoleFrameBytes, perMessageDeflate: false, followRedirects: false,
    });
    door.once('open', () => {
      door.off('error', reject);
      door.on('error', () => undefined); // 'close' follows
      door.pause();
      resolve(door);
    });
    door.once('error', (error) => reject(unavailable("The server's host cannot reach the door.", { internal: error.message, cause: error })));
  });
}

/** Bytes both ways, none piling up, until either side ends; then `done`, once. */
function carry(guest: Duplex, door: WebSocket, done: () => void): void {
  let alive = true;
  const heart = setInterval(() => {
    if (!alive) return door.terminate();
    alive = false;
    door.ping();
  }, LIMITS.consolePingMs);
  door.on('pong', () => { alive = true; });

  guest.on('data', (chunk: Buffer) => {
    if (door.readyState !== WebSocket.OPEN) return;
    door.send(chunk, { binary: true }, () => { if (door.bufferedAmount <= LIMITS.consoleBufferBytes) guest.resume(); });
    if (door.bufferedAmount > LIMITS.consoleBufferBytes) guest.pause();
  });
  door.on('message', (data: RawData) => {
    alive = true;
    if (!guest.write(data as Buffer)) door.pause();
  });
  guest.on('drain', () => door.resume());
  guest.once('end', () => door.close(CLOSE.ended, 'The server closed its console.'));
  guest.once('error', (error) => door.close(CLOSE.failed, `The console broke: ${error.message}`.slice(0, 100)));
  guest.once('close', () => door.close(CLOSE.ended, 'The server closed its console.'));
  door.once('close', () => {
    clearInterval(heart);
    guest.destroy();
    done();
  });
  if (guest.destroyed) door.close(CLOSE.ended, 'The server closed its console.'); // while the door was dialled: it says so no more
  door.resume();
}
