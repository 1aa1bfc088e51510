import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { idInPath } from '../http/text.js';
import type { GrantPlace } from './grants.repository.js';

/** To whom and on what, as the path of the request says. */
export const PlaceParam = createParamDecorator((_: unknown, context: ExecutionContext): GrantPlace => {
  const { params, routeOptions } = context.switchToHttp().getRequest<FastifyRequest>();
  const given = params as Record<string, string | undefined>;
  const id = (name: string): string | null => (given[name] === undefined ? null : idInPath(given[name]));
  const [projectId, domainId] = [id('project'), id('domain')];
  return { userId: id('user'), groupId: id('group'), projectId, domainId, system: projectId === null && domainId === null, inherited: routeOptions.url?.includes('/OS-INHERIT/') === true };
});
