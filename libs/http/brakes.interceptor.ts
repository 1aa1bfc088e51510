import { Inject, Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';
import type { Caller } from '#libs/contracts';
import type { ProjectBrakes, RequestKind } from './project-brakes.js';
import { BRAKES } from './tokens.js';

/** The change stream, and the bytes of images. */
const STREAMS = /^\/+v1\/+events\b|^\/+image\/.*\/file\b/;
const kindOf = (method: string, url: string): RequestKind => (method === 'POST' ? 'write' : STREAMS.test(url) ? 'stream' : 'read');

/**
 * Every request with a caller passes its project's brakes, administrators' too: theirs is a project like any other, so nobody
 * takes their room from them, and a script of theirs that runs away is stopped as well.
 */
@Injectable()
export class BrakesInterceptor implements NestInterceptor {
  constructor(@Inject(BRAKES) private readonly brakes: ProjectBrakes) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    const http = context.switchToHttp();
    const { caller, method, url } = http.getRequest<FastifyRequest & { caller?: Caller }>();
    if (caller === undefined) return next.handle();
    const ended = this.brakes.pass(caller.projectId ?? `user:${caller.userId}`, kindOf(method, url));
    // Answered, or the client is gone: either way the connection has done with it.
    http.getResponse<FastifyReply>().raw.once('close', ended);
    return next.handle();
  }
}
