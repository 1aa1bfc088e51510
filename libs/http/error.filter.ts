// eslint-disable-next-line no-restricted-syntax -- the edge itself: it reads the framework's own refusals
import { Catch, HttpException, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SkyError, asSkyError, type ErrorKind } from '#libs/errors';
import type { Logger } from '#libs/observability';
import { errorBody, kindOf, statusOf, type ErrorFacts } from './error-bodies.js';
import { HttpError } from './http-error.js';
import { RecordedAnswer } from './idempotency.js';
import { inputMessage } from './input-problems.js';
import { answerAndLinger, stillSending } from './linger.js';
import { LIMITS } from './limits.js';
import { publicUrl } from './public-url.js';
import { noteRefusal } from './refusals.js';
import { serviceOf, type Service } from './services.js';
import { DOOR_LOGGER } from './tokens.js';
import { InvalidInput } from './zod-params.js';

/** The HTTP edge of the error union: status, headers and body in the words of the path's service; internals go to the log, once. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(@Inject(DOOR_LOGGER) private readonly logger: Logger) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    answerError(exception, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>(), this.logger);
  }
}

/** Answers with an error; also for errors that happen before any route is found. */
export function answerError(exception: unknown, request: FastifyRequest, reply: FastifyReply, logger: Logger): void {
  if (exception instanceof RecordedAnswer) {
    const { status, headers, body } = exception.answer;
    void reply.code(status).headers({ ...headers, 'idempotent-replayed': 'true' }).send(body);
    return;
  }
  const service = serviceOf(request.raw.url ?? request.url);
  const facts = factsOf(exception, service, request.id);
  logFailure(exception, facts, request, logger);
  if (facts.kind === 'forbidden' || facts.kind === 'unauthorized') noteRefusal(request, facts.kind);
  if (reply.raw.headersSent) {
    // Half an answer is out: only a broken connection tells the client that the rest is missing.
    reply.raw.destroy();
    return;
  }
  if (facts.status === 401) void reply.header('www-authenticate', `Keystone uri="${publicUrl(request)}/identity/v3"`);
  if (facts.retryAfterS !== undefined || facts.status === 429 || facts.status === 503) void reply.header('retry-after', String(facts.retryAfterS ?? 1));
  for (const name of ['content-length', 'content-md5', 'content-range']) void reply.removeHeader(name);
  if (exception instanceof HttpError) void reply.headers(exception.headers);
  const body = JSON.stringify(errorBody(service, facts));
  void reply.code(facts.status).header('content-type', 'application/json');
  if (stillSending(request)) answerAndLinger(request, reply, body, facts.status === 408 ? LIMITS.cutMs : LIMITS.lingerMs);
  else void reply.send(body);
}

function factsOf(exception: unknown, service: Service, requestId: string): ErrorFacts {
  if (exception instanceof InvalidInput) return { status: 400, kind: 'bad-request', message: inputMessage(service, exception.problems), requestId };
  if (exception instanceof HttpError) return { status: exception.status, message: exception.message, requestId };
  const framework = frameworkStatus(exception);
  if (framework !== undefined) return { status: framework.status, kind: kindOf(framework.status), message: framework.message, requestId };
  const error = asSkyError(exception);
  return {
    status: statusOf(error.kind, service), kind: error.kind, requestId,
    message: error.kind === 'internal' ? `The server failed unexpectedly. Tell the operator this id: ${requestId}` : error.message,
    ...(error.retryAfterS !== undefined && { retryAfterS: error.retryAfterS }),
    ...(error.details !== undefined && error.kind !== 'internal' && { details: error.details }),
  };
}

/** Texts for what Nest and Fastify refuse themselves; their own may quote internals. */
const FRAMEWORK_TEXT: Record<number, string> = {
  400: 'The request could not be understood.',
  404: 'The resource could not be found.',
  405: 'The method is not allowed for this resource.',
  408: 'The request took too long to arrive.',
  413: 'The request body is too large.',
  414: 'The URL is too long.',
  415: 'Unsupported Content-Type; send application/json.',
  431: 'The request headers are too large.',
  503: 'The service is shutting down; try again.',
};

function frameworkStatus(exception: unknown): { status: number; message: string } | undefined {
  if (exception instanceof SkyError || typeof exception !== 'object' || exception === null) return undefined;
  const status = exception instanceof HttpException ? exception.getStatus()
    : 'statusCode' in exception && typeof exception.statusCode === 'number' ? exception.statusCode : undefined;
  if (status === undefined || status < 400 || status >= 500) return undefined;
  return { status, message: FRAMEWORK_TEXT[status] ?? 'The request could not be served.' };
}

/** Outcomes that are the client's affair, or nobody's, although their number starts with a 5. */
const QUIET: ReadonlySet<ErrorKind> = new Set(['unsupported']);

function logFailure(exception: unknown, facts: ErrorFacts, request: FastifyRequest, logger: Logger): void {
  if (facts.status < 500 || (facts.kind !== undefined && QUIET.has(facts.kind))) return;
  const error = asSkyError(exception);
  const cause = error.cause ?? (error.kind === 'internal' ? error : undefined);
  logger.error({
    requestId: facts.requestId, method: request.method, path: request.url.split('?', 1)[0], status: facts.status, kind: error.kind,
    ...(error.internal !== undefined && { internal: error.internal }),
    ...(cause instanceof Error && { stack: cause.stack }),
  }, error.message);
}
