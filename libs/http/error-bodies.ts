/**
 * What a client reads when something fails: a status for each kind of error, and the body in the service's own form.
 * Pure: no request, no clock. Never sees internal text.
 */
import { STATUS_CODES } from 'node:http';
import type { ErrorKind } from '#libs/errors';
import type { Service } from './services.js';

export interface ErrorFacts {
  status: number;
  /** Public text. */
  message: string;
  requestId: string;
  /** Absent for errors of HTTP itself (405, 415). */
  kind?: ErrorKind;
  retryAfterS?: number;
  /** Facts that may be shown; Skylite's own body has a place for them, and Placement's for code, max_version and min_version. */
  details?: Record<string, unknown>;
}

/**
 * Final refusals are never 5xx: clients retry those (501 excepted). `no-capacity` is normally a server's fault, not an
 * answer; where it is one, it is a conflict with the present state.
 */
const STATUS: Record<ErrorKind, number> = {
  'bad-request': 400, 'unauthorized': 401, 'forbidden': 403, 'over-quota': 403, 'not-found': 404, 'conflict': 409, 'too-large': 413,
  'too-many-requests': 429, 'not-acceptable': 406, 'unsupported': 501, 'stale': 409, 'unavailable': 503, 'timeout': 504,
  'no-capacity': 409, 'internal': 500,
};

/** Glance answers 413 where the others say 403 to a full quota. */
export const statusOf = (kind: ErrorKind, service: Service): number => (kind === 'over-quota' && service === 'image' ? 413 : STATUS[kind]);

/** Nova's names by status, which clients print; what is not listed is a computeFault. */
const NOVA_NAMES: Record<number, string> = {
  400: 'badRequest', 401: 'unauthorized', 403: 'forbidden', 404: 'itemNotFound', 405: 'badMethod', 409: 'conflictingRequest', 413: 'overLimit',
  415: 'badMediaType', 429: 'overLimit', 501: 'notImplemented', 503: 'serviceUnavailable',
};

const titleOf = (status: number): string => STATUS_CODES[status] ?? 'Error';

/** Keystone's form, which the token check in front of every OpenStack service uses too. */
const keystone = ({ status, message }: ErrorFacts): Record<string, unknown> => ({ error: { code: status, message, title: titleOf(status) } });

const nova = (facts: ErrorFacts): Record<string, unknown> => ({
  [NOVA_NAMES[facts.status] ?? 'computeFault']: {
    code: facts.status, message: facts.message,
    ...((facts.status === 413 || facts.status === 429) && { retryAfter: String(facts.retryAfterS ?? 0) }),
  },
});

/** From 1.23 on errors have codes; a code more does no harm to older clients. Those that negotiate read the range from a 406. */
const placement = ({ status, message, requestId, details = {} }: ErrorFacts): Record<string, unknown> => ({
  errors: [{
    status, title: titleOf(status), detail: message, code: details['code'] ?? 'placement.undefined_code', request_id: requestId,
    ...(details['max_version'] !== undefined && { max_version: details['max_version'], min_version: details['min_version'] }),
  }],
});

const KIND_BY_STATUS: Record<number, ErrorKind> = {
  401: 'unauthorized', 403: 'forbidden', 404: 'not-found', 406: 'not-acceptable', 409: 'conflict', 413: 'too-large', 429: 'too-many-requests',
  501: 'unsupported', 503: 'unavailable', 504: 'timeout',
};

/** The kind that an HTTP status of the framework's own stands for. */
export const kindOf = (status: number): ErrorKind => KIND_BY_STATUS[status] ?? (status >= 500 ? 'internal' : 'bad-request');

const own = ({ status, message, requestId, kind, details }: ErrorFacts): Record<string, unknown> => ({
  error: { kind: kind ?? kindOf(status), message, requestId, ...(details !== undefined && { details }) },
});

/**
 * The JSON body of an error. Every form has an object at its top level whose `message` the clients print. Image answers
 * in Keystone's form, not in Glance's HTML: the clients read both, people read one.
 */
export function errorBody(service: Service, facts: ErrorFacts): Record<string, unknown> {
  if (facts.status === 401 && service !== 'own') return keystone(facts);
  switch (service) {
    case 'identity':
    case 'image':
      return keystone(facts);
    case 'compute':
    case 'volume':
      return nova(facts);
    case 'network':
      return { NeutronError: { type: titleOf(facts.status).replaceAll(' ', ''), message: facts.message, detail: '' } };
    case 'placement':
      return placement(facts);
    case 'own':
      return own(facts);
  }
}
