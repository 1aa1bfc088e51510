import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HttpError } from './http-error.js';
import { LIMITS } from './limits.js';
import { hasUnstorable, isDeeperThan, MAYBE_UNSTORABLE } from './unstorable.js';

/** Bodies that are passed to the handler as a stream, unread: image bytes. */
const STREAMED = 'application/octet-stream';

export const isStreamed = (request: Pick<FastifyRequest, 'headers'>): boolean => request.headers['content-type']?.toLowerCase().startsWith(STREAMED) ?? false;

/** JSON under its several names (Glance's patches have their own), streams untouched, anything else 415. */
export function addBodyParsers(instance: FastifyInstance): void {
  instance.removeAllContentTypeParsers();
  const parse = instance.getDefaultJsonParser('error', 'error');
  instance.addContentTypeParser(/^application\/(?:[\w.+-]+[+-])?json(?:-patch)?(?:\s*;|$)/i, { parseAs: 'string', bodyLimit: LIMITS.jsonBodyBytes }, (request, body, done) => {
    // Clients send the header with an empty body too: then there is no body.
    if (body === '') return done(null, undefined);
    void parse(request, body as string, (error: Error | null, value?: unknown) => {
      if (error !== null) return done(new HttpError(400, 'Malformed request body: it is not valid JSON.'));
      if (isDeeperThan(value, LIMITS.jsonDepth)) return done(new HttpError(400, `Malformed request body: it is nested more than ${LIMITS.jsonDepth} levels deep.`));
      if (MAYBE_UNSTORABLE.test(body as string) && hasUnstorable(value)) return done(new HttpError(400, 'Malformed request body: texts may hold neither U+0000 nor half a surrogate pair.'));
      done(null, value);
    });
  });
  instance.addContentTypeParser(STREAMED, (_request, payload, done) => done(null, payload));
}
