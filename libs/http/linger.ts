import type { OutgoingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { LIMITS } from './limits.js';

type Headers = FastifyRequest['headers'];
const hasBody = (headers: Headers): boolean => headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/** The client has announced a body that has not arrived as a whole. (A request that no socket carries has no `complete`.) */
export const stillSending = ({ raw, headers }: FastifyRequest): boolean => raw.complete === false && !raw.destroyed && hasBody(headers);

/**
 * Answers a client that still sends. The answer goes out at once, for those who look; the connection stays until the rest of the body
 * was read and thrown away, for those who look only when they have sent it all: closing under them resets the
 * connection, and the answer is lost. After `patienceMs` it is closed all the same.
 */
export function answerAndLinger(request: FastifyRequest, reply: FastifyReply, body: string, patienceMs: number): void {
  const { raw: incoming } = request;
  const { raw: outgoing } = reply;
  reply.hijack();
  outgoing.writeHead(reply.statusCode, { ...(reply.getHeaders() as OutgoingHttpHeaders), 'content-length': Buffer.byteLength(body) });
  outgoing.write(body);
  const timer = setTimeout(() => {
    outgoing.end();
    setTimeout(() => incoming.socket.destroy(), LIMITS.cutMs).unref();
  }, patienceMs).unref();
  incoming.once('error', () => undefined);
  incoming.once('close', () => { clearTimeout(timer); outgoing.end(); });
  incoming.once('end', () => { clearTimeout(timer); outgoing.end(); });
  incoming.resume();
}
