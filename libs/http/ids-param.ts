import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { idsOf, type Ids } from './idempotency.js';

/** What this request makes ids with; a repeat under the same Idempotency-Key gets the same ones. */
export const IdsParam = createParamDecorator((_: unknown, context: ExecutionContext): Ids => idsOf(context.switchToHttp().getRequest<FastifyRequest>()));
