/**
 * Before a handler: has this keyed request been answered, is it being performed, is the key another request's? After it: the
 * answer is recorded before it is sent.
 *
 * Owns: the order of these. A crash before the handler's write leaves a record that nobody works on; one after the write,
 * before the answer is recorded, leaves the same: the repeat performs it under the same request id with the same ids,
 * which every write recognizes as its own.
 */
import { Inject, Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';
import type { Caller } from '#libs/contracts';
import { SkyError } from '#libs/errors';
import type { Logger } from '#libs/observability';
import { HttpError } from './http-error.js';
import { ClientKey, giveIds, keyOf, kindOfToken, RecordedAnswer, type IdempotencyOptions, type SealedAnswer } from './idempotency.js';
import { LIMITS } from './limits.js';
import { IDEMPOTENCY } from './tokens.js';

type KeyedHttpRequest = FastifyRequest & { caller?: Caller };

/** Keyed requests that are performed by this process. */
const performing = new WeakMap<object, ClientKey>();

@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(@Inject(IDEMPOTENCY) private readonly options: IdempotencyOptions) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    if (context.getType() !== 'http') return next.handle();
    const request = context.switchToHttp().getRequest<KeyedHttpRequest>();
    const header = request.headers['idempotency-key'];
    // Public routes have no caller to whom a key could belong; they prove themselves by what they carry.
    if (header === undefined || request.method !== 'POST' || request.caller === undefined) return next.handle();
    const { caller } = request;
    const key = new ClientKey(this.options.secret, caller.projectId ?? `user:${caller.userId}`, caller.userId, keyOf(header), kindOfToken(caller));
    const fingerprint = key.fingerprint({ method: request.method, url: request.raw.url ?? request.url, headers: request.headers, body: isStream(request.body) ? null : request.body });
    const begun = await this.options.store.begin({ id: key.id, scope: key.scope, fingerprint, requestId: caller.requestId });
    switch (begun.state) {
      case 'other':
        throw new HttpError(422, 'This Idempotency-Key was used with another request: use a new key for a new request, and the same body for a repeat.');
      case 'running':
        throw new HttpError(409, 'A request with this Idempotency-Key is being processed; try again later.', { 'retry-after': String(begun.retryAfterS) });
      case 'full':
        throw new SkyError('too-many-requests', `This project has ${LIMITS.idempotencyKeysPerProject} Idempotency-Keys of the last 24 hours: no more are kept. Leave the header out, or try again later.`, { retryAfterS: 600 });
      case 'answered':
        throw new RecordedAnswer(this.#open(key, begun.answer));
      case 'mine': {
        performing.set(request.raw, key);
        giveIds(request, key.ids(begun.requestId, begun.repeat));
        request.caller = { ...caller, requestId: begun.requestId, ...(begun.repeat && { repeat: true }) };
        const reply = context.switchToHttp().getResponse<FastifyReply>();
        for (const name of ['x-openstack-request-id', 'x-compute-request-id']) if (reply.hasHeader(name)) void reply.header(name, begun.requestId);
        return next.handle();
      }
    }
  }

  #open(key: ClientKey, answer: Buffer): SealedAnswer {
    try {
      return key.open(answer);
    } catch (error) {
      throw new SkyError('internal', 'Unexpected failure.', { internal: `a recorded answer does not open: ${String(error)}`, cause: error });
    }
  }
}

const isStream = (body: unknown): boolean => typeof (body as { pipe?: unknown } | null | undefined)?.pipe === 'function';

/** They say nothing about what was asked: who asks may repeat, and is answered anew. */
const NOT_KEPT: ReadonlySet<number> = new Set([401, 408, 429]);
/** Belong to one connection or one moment. */
const OWN_HEADERS: ReadonlySet<string> = new Set(['connection', 'date', 'content-length', 'transfer-encoding', 'keep-alive']);

/** For the door's onSend: records the answer of a keyed request before it leaves. A store that is away must not hold back the answer. */
export async function recordAnswer(options: IdempotencyOptions, logger: Logger, request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<void> {
  const key = performing.get(request.raw);
  if (key === undefined) return;
  performing.delete(request.raw);
  try {
    const body = payload === undefined || payload === null ? '' : typeof payload === 'string' ? payload : Buffer.isBuffer(payload) ? payload.toString('utf8') : undefined;
    if (reply.statusCode >= 500 || NOT_KEPT.has(reply.statusCode) || body === undefined || body.length > LIMITS.idempotentAnswerBytes) return await options.store.release(key.id);
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined && !OWN_HEADERS.has(name)) headers[name] = String(value);
    await options.store.finish(key.id, reply.statusCode, key.seal({ status: reply.statusCode, headers, body }));
  } catch (error) {
    logger.warn({ requestId: request.id, err: error }, 'the answer of a keyed request could not be recorded: a repeat will be performed again');
  }
}
