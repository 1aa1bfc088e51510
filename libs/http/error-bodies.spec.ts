import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ERROR_KINDS } from '#libs/errors';
import { errorBody, statusOf } from './error-bodies.js';
import { serviceOf, type Service } from './services.js';

const requestId = 'req-dd1e7333-eeca-4706-a3fe-b959f75d3365';
const SERVICES: Service[] = ['identity', 'compute', 'image', 'network', 'volume', 'placement', 'own'];

describe('errorBody', () => {
  // The services' own answers, byte for byte where clients read them.
  it.each<[string, Service, number, string, unknown]>([
    ['identity, wrong password', 'identity', 401, 'The request you have made requires authentication.', { error: { code: 401, message: 'The request you have made requires authentication.', title: 'Unauthorized' } }],
    ['identity, unknown project', 'identity', 404, 'Could not find project: 0.', { error: { code: 404, message: 'Could not find project: 0.', title: 'Not Found' } }],
    ['identity, name taken', 'identity', 409, 'Conflict occurred.', { error: { code: 409, message: 'Conflict occurred.', title: 'Conflict' } }],
    ['compute without a token', 'compute', 401, 'The request you have made requires authentication.', { error: { code: 401, title: 'Unauthorized', message: 'The request you have made requires authentication.' } }],
    ['compute, unknown server', 'compute', 404, 'Instance 0 could not be found.', { itemNotFound: { code: 404, message: 'Instance 0 could not be found.' } }],
    ['compute, wrong type', 'compute', 400, "Invalid input for field/attribute name. Value: 1. 1 is not of type 'string'", { badRequest: { code: 400, message: "Invalid input for field/attribute name. Value: 1. 1 is not of type 'string'" } }],
    ['compute, version', 'compute', 406, 'Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.93.', { computeFault: { code: 406, message: 'Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.93.' } }],
    ['compute, busy', 'compute', 409, 'x', { conflictingRequest: { code: 409, message: 'x' } }],
    ['compute, quota', 'compute', 403, 'Quota exceeded', { forbidden: { code: 403, message: 'Quota exceeded' } }],
    ['compute, too many', 'compute', 429, 'x', { overLimit: { code: 429, message: 'x', retryAfter: '0' } }],
    ['network without a token', 'network', 401, 'x', { error: { code: 401, title: 'Unauthorized', message: 'x' } }],
    ['network, unknown', 'network', 404, 'Network 0 could not be found.', { NeutronError: { type: 'NotFound', message: 'Network 0 could not be found.', detail: '' } }],
    ['placement', 'placement', 406, 'Invalid microversion', { errors: [{ status: 406, title: 'Not Acceptable', detail: 'Invalid microversion', code: 'placement.undefined_code', request_id: requestId }] }],
    ['image, unknown', 'image', 404, 'No image found with ID 0', { error: { code: 404, message: 'No image found with ID 0', title: 'Not Found' } }],
    ['own', 'own', 404, 'no such host', { error: { kind: 'not-found', message: 'no such host', requestId } }],
    ['own without a token', 'own', 401, 'who are you?', { error: { kind: 'unauthorized', message: 'who are you?', requestId } }],
  ])('%s', (_title, service, status, message, expected) => {
    expect(errorBody(service, { status, message, requestId })).toEqual(expected);
  });

  it('lets every client find the message in a top-level object, whatever the error', () => {
    fc.assert(fc.property(fc.constantFrom(...SERVICES), fc.constantFrom(...ERROR_KINDS), fc.string({ minLength: 1 }), (service, kind, message) => {
      const body = errorBody(service, { status: statusOf(kind, service), kind, message, requestId });
      const [first] = Object.values(body);
      const inner = (Array.isArray(first) ? first[0] : first) as Record<string, unknown>;
      expect(inner.message ?? inner.detail).toBe(message);
    }));
  });

  it('answers nothing final with a 5xx, which clients would repeat', () => {
    for (const kind of ERROR_KINDS) {
      const retried = ['unavailable', 'timeout', 'internal', 'unsupported'].includes(kind);
      for (const service of SERVICES) expect(statusOf(kind, service) >= 500).toBe(retried);
    }
  });
});

describe('serviceOf', () => {
  it.each([['/compute/v2.1/servers?x=/image', 'compute'], ['//image//v2/images', 'image'], ['/identity', 'identity'], ['/v1/hosts', 'own'], ['/', 'own'], ['/imagex', 'own'], ['', 'own']])('%s', (url, service) => {
    expect(serviceOf(url)).toBe(service);
  });
});
