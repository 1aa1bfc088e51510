import { createHash } from 'node:crypto';

/** What a tenant sees of a host: the same for one project's servers on one host, meaningless across projects. */
export const hostIdOf = (projectId: string, hostName: string | null): string =>
  hostName === null ? '' : createHash('sha224').update(`${projectId}${hostName}`).digest('hex');
