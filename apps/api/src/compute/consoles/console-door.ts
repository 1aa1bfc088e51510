/**
 * Where consoles are joined. A tenant's client comes with a ticket, which is used up; its host is asked to open the guest's side
 * and dials back here with the session's key, which is used up too; then bytes go both ways until one side ends, the login
 * that asked for the ticket does, or nothing moves for long.
 *
 * Owns: the sessions of this process, nothing that is kept. A crash here ends its consoles; people open them anew.
 */
import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import type { Server } from 'node:http';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { WebSocket } from 'ws';
import { TokenVerifier } from '#libs/auth';
import { connectConsole, CONSOLE_DIAL_PATH, consoleEnded, redeemConsoleTicket, type OutputOf } from '#libs/contracts';
import { asSkyError, forbidden, internalError, unsupported } from '#libs/errors';
import { closeReason, joinWebSockets, WebSockets, type Admission, type Upgrade } from '#libs/http';
import { BUS, type Bus } from '#libs/messaging';
import { LOGGER, type Logger } from '#libs/observability';
import { API_CONFIG, type ApiConfig } from '../../api.config.js';
import { LIMITS } from '../../limits.js';
import { hashOfTicket } from './console-tickets.js';
import { originAllowed, subprotocolOf, ticketIn } from './decide/admission.js';

type Redeemed = OutputOf<typeof redeemConsoleTicket>;
/** A client that waits for its host. */
interface Waiting { readonly keyDigest: Buffer; join(host: WebSocket): void }

const REFUSED = 'This console ticket is unknown, used or expired; ask for a new one.';
const OVER = 'The login that opened this console has ended.';
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

@Injectable()
export class ConsoleDoor implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #waiting = new Map<string, Waiting>();
  #sockets: WebSockets | undefined;

  constructor(
    @Inject(BUS) private readonly bus: Bus, @Inject(LOGGER) private readonly logger: Logger, @Inject(API_CONFIG) private readonly config: ApiConfig,
    private readonly adapters: HttpAdapterHost, private readonly verifier: TokenVerifier,
  ) {}

  onApplicationBootstrap(): void {
    const server = this.adapters.httpAdapter?.getHttpServer() as Server | undefined;
    if (server === undefined) return;
    this.#sockets = new WebSockets(server, [
      { prefix: CONSOLE_DIAL_PATH, maxMessageBytes: LIMITS.consoleHostMessageBytes, admit: async (upgrade) => this.#admitHost(upgrade) },
      { prefix: '/console/', maxMessageBytes: LIMITS.consoleClientMessageBytes, admit: (upgrade) => this.#admitClient(upgrade) },
    ], this.logger);
  }

  onModuleDestroy(): void { this.#sockets?.close(); }

  async #admitClient(upgrade: Upgrade): Promise<Admission> {
    const { query, headers, protocols, requestId } = upgrade;
    const { consoles } = this.config;
    if (consoles === undefined) throw unsupported('Consoles are not offered here.');
    const { origin, host } = headers;
    if (!originAllowed({ origin, host, publicUrl: consoles.publicUrl, allowed: consoles.allowedOrigins })) throw forbidden('Pages of this origin may not open consoles.');
    const ticket = ticketIn(query, headers.cookie);
    if (ticket === undefined) throw forbidden(REFUSED);
    const sessionId = randomUUID();
    const redeemed = await this.bus.ask(redeemConsoleTicket, { ticketHash: hashOfTicket(ticket), sessionId, requestId, from: upgrade.remoteAddress }, { requestId })
      .catch((error: unknown) => { throw asSkyError(error).kind === 'not-found' ? forbidden(REFUSED, { cause: error }) : error; });
    // The ticket is used up either way; whoever let it be made may have lost what it was made for.
    if (redeemed.login !== undefined && !(await this.verifier.isGoodNow(redeemed.login))) {
      void this.#ended(sessionId, OVER, requestId);
      throw forbidden(REFUSED);
    }
    const protocol = subprotocolOf(protocols);
    return { ...(protocol !== undefined && { protocol }), serve: (client) => void this.#session(sessionId, redeemed, client, { base64: protocol === 'base64', requestId, dialUrl: consoles.dialUrl }) };
  }

  /** The key is good for the session whose id stands in the path, and once. */
  #admitHost({ path, headers }: Upgrade): Admission {
    const sessionId = path.slice(CONSOLE_DIAL_PATH.length);
    const key = /^Bearer (\S{1,128})$/.exec(headers.authorization ?? '')?.[1] ?? '';
    const waiting = this.#waiting.get(sessionId);
    if (waiting === undefined || !timingSafeEqual(waiting.keyDigest, digest(key))) throw forbidden('Nobody waits for this.');
    this.#waiting.delete(sessionId);
    return { serve: (host) => waiting.join(host) };
  }

  async #session(sessionId: string, { kind, instanceId, hostId, sessionEndsAt, login }: Redeemed, client: WebSocket, how: { base64: boolean; requestId: string; dialUrl: string }): Promise<void> {
    const log = { requestId: how.requestId, sessionId, instanceId, hostId, kind };
    const end = (reason: string): void => {
      this.logger.info({ ...log, reason }, 'console closed');
      void this.#ended(sessionId, reason, how.requestId);
    };
    const came: { host?: WebSocket } = {};
    try {
      const key = randomBytes(32).toString('base64url');
      const url = `${how.dialUrl.replace(/^http/, 'ws').replace(/\/+$/, '')}${CONSOLE_DIAL_PATH}${sessionId}`;
      this.#waiting.set(sessionId, { keyDigest: digest(key), join: (socket) => { came.host = socket; } });
      await this.bus.ask(connectConsole, { sessionId, url, key }, { requestId: how.requestId });
      // Who dialled has come before the answer, or comes no more.
      if (came.host === undefined) throw internalError('the host says it has dialled, and nobody came');
      this.logger.info(log, 'console opened');
      const { reason } = await joinWebSockets(client, came.host, {
        idleMs: LIMITS.consoleIdleMs, base64: how.base64, maxMs: Math.max(0, Math.min(LIMITS.consoleMaxMs, Date.parse(sessionEndsAt) - Date.now())),
        maxReason: OVER, ...(login !== undefined && { mayGoOn: () => this.verifier.isGood(login), watchMs: LIMITS.streamWatchMs }),
      });
      end(reason);
    } catch (thrown) {
      this.#waiting.delete(sessionId);
      came.host?.terminate(); // it came, and its answer did not
      const error = asSkyError(thrown);
      if (error.kind === 'internal') this.logger.error({ ...log, internal: error.internal }, 'a console could not be opened');
      const reason = error.kind === 'internal' ? `The server failed unexpectedly (${how.requestId}).` : error.message;
      client.resume();
      client.close(CLOSE_CODES[error.kind] ?? 1011, closeReason(reason));
      setTimeout(() => client.terminate(), LIMITS.consoleGoodbyeMs).unref();
      end(reason);
    }
  }

  async #ended(sessionId: string, reason: string, requestId: string): Promise<void> {
    await this.bus.ask(consoleEnded, { sessionId, reason: reason.slice(0, 200) }, { requestId })
      .catch((error: unknown) => this.logger.warn({ requestId, sessionId, err: error }, 'the end of a console was not recorded'));
  }
}

/** For programs; the reason is for people. */
const CLOSE_CODES: Readonly<Record<string, number>> = { 'not-found': 4404, 'conflict': 4409, 'over-quota': 4429, 'unsupported': 4501, 'unavailable': 4503, 'timeout': 4504 };
