import { Module, type DynamicModule, type Type } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR, NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { unavailable } from '#libs/errors';
import type { Logger } from '#libs/observability';
import { BrakesInterceptor } from './brakes.interceptor.js';
import { addBodyParsers, isStreamed } from './body-parsers.js';
import { answerError, ErrorFilter } from './error.filter.js';
import { HttpError } from './http-error.js';
import { IdempotencyInterceptor, recordAnswer } from './idempotency.interceptor.js';
import type { IdempotencyOptions } from './idempotency.js';
import { LIMITS } from './limits.js';
import { nestLogger } from './nest-logger.js';
import { ProjectBrakes, type BrakeOptions } from './project-brakes.js';
import { clientRequestIdOf, newRequestId } from './request-id.js';
import { refusalOf, type Refusal } from './refusals.js';
import { serviceOf } from './services.js';
import { isUnstorableUrl } from './unstorable.js';
import { BRAKES, DOOR_LOGGER, IDEMPOTENCY } from './tokens.js';
import { isWebSocketUpgrade } from './websockets.js';

/** One answered request, for metrics. */
export interface Answered {
  method: string;
  /** The route's pattern, not the path: few values. */
  route: string;
  status: number;
  seconds: number;
  /** Refused because of who asked. */
  refused?: Refusal | undefined;
}

export interface DoorOptions {
  logger: Logger;
  /** Base of all links when clients reach us by another name than they say (no slash at the end); else by the Host header. */
  publicUrl?: string;
  /** Addresses or CIDRs whose X-Forwarded-* are believed. Default: none. */
  trustedProxies?: string[];
  /** Told once of a proxy that is not among them, by its address. */
  onUnnamedProxy?: (address: string) => void;
  /**
   * Runs first on every request, errors and unknown paths included: sets headers of a service's own (compute's
   * microversion). What it throws is answered as any error is.
   */
  onRequest?: (request: FastifyRequest, reply: FastifyReply) => void;
  /** Keeps the answers of requests with an Idempotency-Key. Without it the header is ignored. */
  idempotency?: IdempotencyOptions;
  /** What one project may do in a while. Default: as much as it likes. */
  brakes?: BrakeOptions;
  /** Told of every answer; must not throw. */
  onAnswered?: (answered: Answered) => void;
}

@Module({})
class Door {}

/**
 * The public HTTP application around `module` (compose several by passing a module that imports them). It is complete but does not
 * listen yet: `await app.listen(port, host)`. `app.close()` lets requests under way end, for LIMITS.closeMs at most.
 */
export async function createDoor(module: Type | DynamicModule, options: DoorOptions): Promise<NestFastifyApplication> {
  const instance = makeInstance(options);
  const root: DynamicModule = {
    module: Door, imports: [module],
    providers: [
      { provide: DOOR_LOGGER, useValue: options.logger }, { provide: APP_FILTER, useClass: ErrorFilter },
      ...(options.brakes === undefined ? [] : [{ provide: BRAKES, useValue: new ProjectBrakes(options.brakes) }, { provide: APP_INTERCEPTOR, useClass: BrakesInterceptor }]),
      ...(options.idempotency === undefined ? [] : [{ provide: IDEMPOTENCY, useValue: options.idempotency }, { provide: APP_INTERCEPTOR, useClass: IdempotencyInterceptor }]),
    ],
  };
  const app = await NestFactory.create<NestFastifyApplication>(root, new FastifyAdapter(instance), {
    bodyParser: false, abortOnError: false, logger: nestLogger(options.logger),
  });
  await app.init();
  await instance.ready();
  return app;
}

function makeInstance(options: DoorOptions): FastifyInstance {
  const instance = fastify({
    logger: false,
    genReqId: newRequestId,
    requestIdHeader: false,
    trustProxy: options.trustedProxies ?? false,
    bodyLimit: LIMITS.jsonBodyBytes,
    // An upload may take hours: its own deadlines are the idle one here and the upload's. JSON bodies get theirs below.
    requestTimeout: 0,
    connectionTimeout: LIMITS.idleSocketMs,
    keepAliveTimeout: LIMITS.keepAliveMs,
    http: { headersTimeout: LIMITS.headersMs, maxHeaderSize: LIMITS.headerBytes, connectionsCheckingInterval: LIMITS.connectionCheckMs, keepAlive: true, shouldUpgradeCallback: isWebSocketUpgrade },
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, maxParamLength: LIMITS.paramChars },
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => {
      stamp(request, reply);
      answerError(error, request, reply, options.logger);
    },
  }) as unknown as FastifyInstance;
  instance.server.maxConnections = LIMITS.connections;
  instance.decorate('publicUrl', options.publicUrl?.replace(/\/+$/, ''));
  addBodyParsers(instance);
  addHooks(instance, options);
  return instance;
}

/** Ids on every answer, under the names that clients look for. */
function stamp(request: FastifyRequest, reply: FastifyReply): void {
  void reply.header('x-openstack-request-id', request.id);
  if (serviceOf(request.raw.url ?? '') === 'compute') void reply.header('x-compute-request-id', request.id);
}

/** A proxy that nobody has named makes all clients one: what is bounded per address is not, or binds all of them. Said once. */
function proxyWatch({ trustedProxies = [], logger, onUnnamedProxy }: DoorOptions): (request: FastifyRequest) => void {
  let said = trustedProxies.length > 0;
  return ({ headers, ip }) => {
    if (said || (headers['x-forwarded-for'] === undefined && headers['forwarded'] === undefined)) return;
    said = true;
    onUnnamedProxy?.(ip);
    logger.warn({ address: ip }, 'requests seem to come by a proxy that SKYLITE_TRUSTED_PROXIES does not name: every client has its address, and failed logins are not counted per address if that is this machine');
  };
}

function addHooks(instance: FastifyInstance, options: DoorOptions): void {
  let closing = false;
  const watchProxies = proxyWatch(options);
  const deadlines = new WeakMap<FastifyRequest, NodeJS.Timeout>();
  const settle = (request: FastifyRequest): void => clearTimeout(deadlines.get(request));

  instance.addHook('onRequest', (request, reply, done) => {
    stamp(request, reply);
    watchProxies(request);
    if (closing) {
      void reply.header('connection', 'close');
      return done(unavailable('The service is shutting down; try again.', { retryAfterS: 1 }));
    }
    if (isUnstorableUrl(request.raw.url ?? '')) return done(new HttpError(400, 'Malformed request URL: it may not hold U+0000.'));
    try {
      options.onRequest?.(request, reply);
    } catch (error) {
      return done(error as Error);
    }
    if (!isStreamed(request) && !request.raw.complete) {
      deadlines.set(request, setTimeout(() => {
        if (request.raw.complete || reply.sent) return;
        void reply.header('connection', 'close');
        answerError(new HttpError(408, 'The request body took too long to arrive.'), request, reply, options.logger);
      }, LIMITS.jsonBodyMs).unref());
    }
    done();
  });
  instance.addHook('preHandler', (request, _reply, done) => { settle(request); done(); });
  const { idempotency } = options;
  if (idempotency !== undefined) {
    instance.addHook('onSend', async (request, reply, payload) => {
      await recordAnswer(idempotency, options.logger, request, reply, payload);
      return payload;
    });
  }
  instance.addHook('onResponse', (request, reply, done) => {
    settle(request);
    tell(request, reply, options);
    done();
  });

  instance.addHook('preClose', (done) => {
    closing = true;
    const { server } = instance;
    // A connection that was busy when closing began becomes idle later, and would be waited for until its keep-alive ends.
    const idle = setInterval(() => server.closeIdleConnections(), LIMITS.closeIdleMs).unref();
    const all = setTimeout(() => server.closeAllConnections(), LIMITS.closeMs).unref();
    server.once('close', () => { clearInterval(idle); clearTimeout(all); });
    done();
  });
}

/** Signatures in URLs are proofs as good as tokens until they expire. */
const withoutSecrets = (url: string): string => url.replace(/([?&](?:signature|token)=)[^&]*/gi, '$1…');

function tell(request: FastifyRequest, reply: FastifyReply, options: DoorOptions): void {
  const seconds = reply.elapsedTime / 1000;
  if (options.logger.isLevelEnabled('debug')) {
    options.logger.debug({ requestId: request.id, clientRequestId: clientRequestIdOf(request.headers['x-openstack-request-id']), method: request.method, url: withoutSecrets(request.url), status: reply.statusCode, ms: Math.round(seconds * 1e4) / 10 }, 'request');
  }
  options.onAnswered?.({ method: request.method, route: request.routeOptions.url ?? '(none)', status: reply.statusCode, seconds, refused: refusalOf(request) });
}
