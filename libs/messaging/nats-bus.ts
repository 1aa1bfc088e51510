import { connect, type Authenticator } from '@nats-io/transport-node';
import { headers as makeHeaders, type Msg, type NatsConnection, type Subscription as NatsSubscription } from '@nats-io/nats-core';
import type { z } from 'zod';
import { subjectFor, type Contract, type Hint, type InputOf, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { fromWireError, internalError, timedOut, tooLarge, toWireError, unavailable, SkyError, type WireError } from '#libs/errors';
import { fastAuthenticator } from './authenticator.js';
import type { AskOptions, Bus, BusContext, Subscription } from './bus.js';
import { answer, checkInput, type AnyHandler } from './call.js';
import { LIMITS } from './limits.js';

const DECODER = new TextDecoder();
/** Milliseconds that the asker still waits. */
const H_REMAINING = 'Sky-Remaining-Ms';
const H_REQUEST = 'Sky-Request-Id';
/** Present on an answer that is an error; the body is a WireError. */
const H_ERROR = 'Sky-Error';
const H_CELL = 'Sky-Cell';
const H_INCARNATION = 'Sky-Incarnation';

export interface NatsBusOptions {
  servers: string[];
  /** Content of a .creds file (user JWT and nkey seed). */
  creds: string;
  name: string;
  /** The connection's own reply prefix: a shared `_INBOX.>` would show a host other hosts' replies. */
  inboxPrefix: string;
  cellId: string;
  /** Read at each message: it can rise when a database is restored. */
  incarnation: () => number;
  /** A host's: one of thousands on a server, which shall not be busy with their pings. */
  ofHost?: boolean;
  /** Told once per lost message or refused permission; never throws. */
  onProblem?: (text: string) => void;
}

/** Questions and hints over NATS. Loses what NATS loses; reconnects for ever with jitter; never throws but SkyError. */
export class NatsBus implements Bus {
  readonly #options: NatsBusOptions;
  readonly #authenticator: Authenticator;
  readonly #watchers = new Set<(connected: boolean) => void>();
  /** What shall be subscribed; done when the connection stands. */
  readonly #wanted = new Set<(connection: NatsConnection) => void>();
  /** Questions under way: they fail when the connection is lost, their answers were lost with it. */
  readonly #underWay = new Set<(error: SkyError) => void>();
  #connection: NatsConnection | undefined;
  #connected = false;
  #closed = false;
  #connecting: Promise<void>;

  constructor(options: NatsBusOptions) {
    this.#options = options;
    this.#authenticator = fastAuthenticator(options.creds);
    this.#connecting = this.#connect();
  }

  get connected(): boolean { return this.#connected; }
  onConnection(listener: (connected: boolean) => void): void { this.#watchers.add(listener); }

  /** Resolves when first connected; rejects with `unavailable` after `timeoutMs`. The bus goes on trying either way. */
  async ready(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => { timer = setTimeout(() => reject(unavailable(`No connection to NATS at ${this.#options.servers.join(', ')} within ${timeoutMs} ms.`)), timeoutMs); });
    try { await Promise.race([this.#connecting, late]); } finally { clearTimeout(timer); }
  }

  async ask<C extends Contract>(contract: C, input: InputOf<C>, options: AskOptions = {}): Promise<OutputOf<C>> {
    const body = this.#encode(contract.subject, checkInput(contract, input));
    const subject = subjectFor(contract.subject, options.hostId);
    const timeoutMs = Math.floor(Math.min(contract.timeoutMs, options.timeoutMs ?? contract.timeoutMs));
    if (timeoutMs <= 0) throw timedOut(`No time left to ask ${subject}.`);
    if (!this.#connected || !this.#connection) throw unavailable('The message bus is not connected.');
    const headers = this.#headers();
    headers.set(H_REMAINING, String(timeoutMs));
    if (options.requestId) headers.set(H_REQUEST, options.requestId);
    const reply = await this.#request(this.#connection, subject, body, { timeout: timeoutMs, headers });
    const decoded = this.#decode(subject, reply.data);
    if (reply.headers?.get(H_ERROR)) throw fromWireError(decoded as WireError);
    const output = contract.output.safeParse(decoded);
    if (!output.success) throw internalError(`${subject} was answered out of contract: ${output.error.issues[0]?.message ?? ''}`);
    return output.data as OutputOf<C>;
  }

  hint<P extends z.ZodType>(hint: Hint<P>, payload: z.input<P>, options: { hostId?: string } = {}): void {
    if (!this.#connected || !this.#connection) return;
    try {
      this.#connection.publish(subjectFor(hint.subject, options.hostId), this.#encode(hint.subject, payload), { headers: this.#headers() });
    } catch (error) {
      this.#options.onProblem?.(`hint ${hint.subject} not sent: ${String(error)}`);
    }
  }

  handle<C extends Contract>(contract: C, handler: (input: ReceivedBy<C>, context: BusContext) => Promise<OutputOf<C>>, options: { group: string; hostId?: string }): Subscription {
    const running = new Set<Promise<void>>();
    const position = hostPosition(contract.subject);
    return this.#subscribe(wildcard(contract.subject, options.hostId), options.group, (message) => {
      const hostId = position < 0 ? undefined : message.subject.split('.')[position];
      if (running.size >= LIMITS.runningCallsPerContract) {
        this.#respondError(message, unavailable(`${contract.subject} is busy.`, { retryAfterS: 1 }));
        return;
      }
      const call = this.#serve(contract, handler as AnyHandler, message, hostId).finally(() => running.delete(call));
      running.add(call);
    }, async () => { await Promise.allSettled(running); });
  }

  onHint<P extends z.ZodType>(hint: Hint<P>, listener: (payload: z.output<P>, context: { hostId: string | undefined }) => void, options: { hostId?: string; group?: string } = {}): Subscription {
    const position = hostPosition(hint.subject);
    return this.#subscribe(wildcard(hint.subject, options.hostId), options.group, (message) => {
      try {
        const payload = hint.payload.safeParse(this.#decode(message.subject, message.data));
        if (payload.success) listener(payload.data, { hostId: position < 0 ? undefined : message.subject.split('.')[position] });
      } catch (error) {
        this.#options.onProblem?.(`hint ${message.subject} dropped: ${String(error)}`);
      }
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#setConnected(false);
    await this.#connection?.drain().catch(() => undefined);
  }

  /** Whether a question that is cut off was heard is unknown; everything asked here may be asked again. */
  #request(connection: NatsConnection, subject: string, body: string, options: { timeout: number; headers: ReturnType<typeof makeHeaders> }): Promise<Msg> {
    return new Promise((resolve, reject) => {
      this.#underWay.add(reject);
      connection.request(subject, body, options)
        .then(resolve, (error: unknown) => reject(this.#transportError(subject, error)))
        .finally(() => this.#underWay.delete(reject));
    });
  }

  async #connect(): Promise<void> {
    for (let attempt = 0; !this.#closed; attempt += 1) {
      try {
        const connection = await connect({
          servers: this.#options.servers, authenticator: this.#authenticator, name: this.#options.name,
          inboxPrefix: this.#options.inboxPrefix, timeout: LIMITS.connectMs, maxReconnectAttempts: -1,
          reconnectTimeWait: 200, reconnectJitter: 300, ...(this.#options.ofHost === true ? { pingInterval: LIMITS.hostPingMs, maxPingOut: 1 } : { pingInterval: LIMITS.pingMs, maxPingOut: 2 }), ignoreClusterUpdates: false,
          // A stack for each question under way costs more than the question; ours are named by their subject.
          noAsyncTraces: true,
          // No server: the library's own choice stands.
          reconnectToServer: () => ({ server: null as never, delay: this.#connection === undefined ? 0 : turnToReconnect() }),
        });
        if (this.#closed) {
          await connection.close();
          return;
        }
        this.#connection = connection;
        for (const subscribe of this.#wanted) subscribe(connection);
        this.#setConnected(true);
        void this.#watch(connection);
        return;
      } catch (error) {
        if (attempt === 0) this.#options.onProblem?.(`no connection to NATS yet: ${String(error)}`);
        await new Promise((resolve) => setTimeout(resolve, Math.min(200 * 2 ** Math.min(attempt, 4), 2_000) * (0.75 + Math.random() / 2)));
      }
    }
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect' || status.type === 'staleConnection') this.#setConnected(false);
      else if (status.type === 'reconnect') this.#setConnected(true);
      else if (status.type === 'error') this.#options.onProblem?.(`NATS: ${String(status.error)}`);
    }
    this.#setConnected(false);
    // The client gives a connection up for good when its authentication was refused twice; we never do.
    if (!this.#closed && connection === this.#connection) this.#connecting = this.#connect();
  }

  #setConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    if (!connected) for (const fail of [...this.#underWay]) fail(unavailable('The connection to the message bus was lost.'));
    for (const watcher of this.#watchers) watcher(connected);
  }

  async #serve(contract: Contract, handler: AnyHandler, message: Msg, hostId: string | undefined): Promise<void> {
    try {
      const remaining = Number(message.headers?.get(H_REMAINING) || contract.timeoutMs);
      const remainingMs = Number.isFinite(remaining) ? Math.min(Math.max(1, remaining), contract.timeoutMs) : contract.timeoutMs;
      const requestId = message.headers?.get(H_REQUEST) || undefined;
      const output = await answer(contract, handler, { body: this.#decode(message.subject, message.data), hostId, requestId, remainingMs });
      message.respond(this.#encode(contract.subject, output), { headers: this.#headers() });
    } catch (error) {
      this.#respondError(message, error);
    }
  }

  #respondError(message: Msg, error: unknown): void {
    const headers = this.#headers();
    headers.set(H_ERROR, '1');
    try {
      message.respond(JSON.stringify(toWireError(error)), { headers });
    } catch (sending) {
      this.#options.onProblem?.(`answer to ${message.subject} not sent: ${String(sending)}`);
    }
  }

  #subscribe(subject: string, queue: string | undefined, heard: (message: Msg) => void, finished: () => Promise<void> = async () => {}): Subscription {
    let subscription: NatsSubscription | undefined;
    const subscribe = (connection: NatsConnection): void => {
      subscription = connection.subscribe(subject, {
        ...(queue !== undefined && { queue }),
        callback: (error, message) => {
          if (error) this.#options.onProblem?.(`NATS subscription ${subject}: ${error.message}`);
          else heard(message);
        },
      });
    };
    this.#wanted.add(subscribe);
    // A connection that is lost just now takes it too, and tells the server when it is back.
    if (this.#connection && !this.#connection.isClosed() && !this.#connection.isDraining()) subscribe(this.#connection);
    return {
      stop: async () => {
        this.#wanted.delete(subscribe);
        subscription?.unsubscribe();
        await finished();
      },
    };
  }

  #headers(): ReturnType<typeof makeHeaders> {
    const headers = makeHeaders();
    headers.set(H_CELL, this.#options.cellId);
    headers.set(H_INCARNATION, String(this.#options.incarnation()));
    return headers;
  }

  #encode(subject: string, value: unknown): string {
    const text = JSON.stringify(value);
    const bytes = Buffer.byteLength(text);
    if (bytes > LIMITS.messageBytes) throw tooLarge(`A message on ${subject} would have ${bytes} bytes; at most ${LIMITS.messageBytes} fit.`);
    return text;
  }

  #decode(subject: string, data: Uint8Array): unknown {
    try {
      return JSON.parse(DECODER.decode(data));
    } catch {
      throw internalError(`${subject}: a message that is not JSON`);
    }
  }

  #transportError(subject: string, error: unknown): SkyError {
    const name = error instanceof Error ? error.name : '';
    if (name === 'TimeoutError') return timedOut(`No answer from ${subject} in time.`, { cause: error });
    if (name === 'NoRespondersError') return unavailable(`Nobody answers ${subject} now.`, { cause: error });
    return unavailable(`The message bus could not ask ${subject}.`, { internal: String(error), cause: error });
  }
}

/**
 * Everybody loses the server at the same moment, and the library's first try waits for nothing: so each waits a random
 * moment, and connections of one process (a fleet's) go one after another.
 */
let lastTurnAt = 0;
function turnToReconnect(): number {
  const now = performance.now();
  lastTurnAt = Math.max(now, lastTurnAt + LIMITS.reconnectSpacingMs);
  return lastTurnAt - now + Math.random() * LIMITS.reconnectJitterMs;
}

const wildcard = (subject: string, hostId: string | undefined): string => subject.replace('{hostId}', hostId ?? '*');
const hostPosition = (subject: string): number => subject.split('.').indexOf('{hostId}');
