/**
 * WebSockets at the door. The handshake is decided by the route before it is made: who is refused gets an ordinary HTTP answer.
 * Owns: sockets' limits, pings that find the dead, the end of all at shutdown. Holds nothing else; a crash closes them.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, Server } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { asSkyError, notFound, unavailable } from '#libs/errors';
import type { Logger } from '#libs/observability';
import { errorBody, statusOf } from './error-bodies.js';
import { LIMITS } from './limits.js';

/** One request for a WebSocket, before it is one. */
export interface Upgrade {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Subprotocols that the client offers. */
  readonly protocols: readonly string[];
  readonly remoteAddress: string;
  readonly requestId: string;
}

export interface Admission {
  /** One of those offered, or none. */
  readonly protocol?: string;
  /** Takes the open socket. It is paused: nothing is lost until the taker listens and resumes it. */
  serve(socket: WebSocket): void;
}

export interface WebSocketRoute {
  readonly prefix: string;
  /** A message that is larger ends the connection (1009). */
  readonly maxMessageBytes: number;
  /** @throws SkyError: the refusal */
  admit(upgrade: Upgrade): Promise<Admission>;
}

/** Only these leave the HTTP server for `serveWebSockets`; other upgrades that are asked for (h2c) are answered as if they were not. */
export const isWebSocketUpgrade = (request: IncomingMessage): boolean => request.headers.upgrade?.toLowerCase() === 'websocket';

export class WebSockets {
  readonly #sockets = new Set<WebSocket>();
  #admitting = 0;
  #closing = false;
  readonly #servers: ReadonlyMap<WebSocketRoute, WebSocketServer>;
  readonly #chosen = new WeakMap<IncomingMessage, string>();

  constructor(server: Server, routes: readonly WebSocketRoute[], private readonly logger: Logger) {
    this.#servers = new Map(routes.map((route) => [route, new WebSocketServer({
      noServer: true, clientTracking: false, perMessageDeflate: false, maxPayload: route.maxMessageBytes,
      handleProtocols: (_offered, request) => this.#chosen.get(request) ?? false,
    })]));
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => void this.#upgrade(request, socket, head));
  }

  get open(): number { return this.#sockets.size; }

  /** Everyone is told, and cut off soon after. */
  close(): void {
    this.#closing = true;
    for (const socket of this.#sockets) {
      socket.resume();
      socket.close(1001, 'The service is shutting down.');
      setTimeout(() => socket.terminate(), LIMITS.cutMs).unref();
    }
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const onError = (): void => { socket.destroy(); };
    socket.on('error', onError);
    const requestId = `req-${randomUUID()}`;
    try {
      const { route, upgrade } = this.#find(request, requestId);
      const { protocol, serve } = await this.#admit(route, upgrade);
      if (socket.destroyed) return;
      if (protocol !== undefined) this.#chosen.set(request, protocol);
      socket.off('error', onError);
      this.#servers.get(route)?.handleUpgrade(request, socket, head, (open) => {
        this.#sockets.add(open);
        open.on('error', () => undefined); // 'close' follows
        open.once('close', () => this.#sockets.delete(open));
        open.pause();
        serve(open);
      });
    } catch (error) {
      this.#refuse(error, socket, requestId);
    }
  }

  #find(request: IncomingMessage, requestId: string): { route: WebSocketRoute; upgrade: Upgrade } {
    const url = URL.canParse(request.url ?? '', 'http://door') ? new URL(request.url ?? '', 'http://door') : undefined;
    const route = url && [...this.#servers.keys()].find(({ prefix }) => url.pathname.startsWith(prefix));
    if (url === undefined || route === undefined) throw notFound('There is no WebSocket here.');
    if (this.#closing) throw unavailable('The service is shutting down; try again.', { retryAfterS: 1 });
    if (this.#sockets.size + this.#admitting >= LIMITS.webSockets) throw unavailable('Too many connections of this kind are open; try again later.', { retryAfterS: 30 });
    const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim()).filter(Boolean);
    return { route, upgrade: { path: url.pathname, query: url.searchParams, headers: request.headers, protocols, remoteAddress: request.socket.remoteAddress ?? '', requestId } };
  }

  async #admit(route: WebSocketRoute, upgrade: Upgrade): Promise<Admission> {
    this.#admitting += 1;
    try {
      return await route.admit(upgrade);
    } finally {
      this.#admitting -= 1;
    }
  }

  #refuse(thrown: unknown, socket: Duplex, requestId: string): void {
    const error = asSkyError(thrown);
    const status = statusOf(error.kind, 'own');
    if (status >= 500 && error.kind !== 'unsupported') this.logger.error({ requestId, kind: error.kind, internal: error.internal, err: error.cause }, error.message);
    if (socket.destroyed) return;
    const message = error.kind === 'internal' ? `The server failed unexpectedly. Tell the operator this id: ${requestId}` : error.message;
    const body = JSON.stringify(errorBody('own', { status, kind: error.kind, message, requestId }));
    socket.end([
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}`, 'Connection: close', 'Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`,
      `X-Openstack-Request-Id: ${requestId}`, ...(error.retryAfterS === undefined ? [] : [`Retry-After: ${error.retryAfterS}`]), '', body,
    ].join('\r\n'));
    setTimeout(() => socket.destroy(), LIMITS.cutMs).unref();
  }
}
