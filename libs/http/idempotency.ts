/**
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the same key with the same request is answered once and
 * repeated from then on. Owns: what a key may look like, which requests are alike, how an answer is sealed, and the ids
 * that a repeat derives anew. Never keeps anything itself: the store does. Nothing here or there can be read with a
 * backup of the database and the server's secret alone: the sealing key is made of the client's key too.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { Caller } from '#libs/contracts';
import { asSkyError, badRequest } from '#libs/errors';
import { LIMITS } from './limits.js';

/** What a store says when a keyed request begins. */
export type Begun =
  /** Perform it under this request id. `repeat`: it was begun before and its outcome is not known. */
  | { state: 'mine'; requestId: string; repeat: boolean }
  /** Somebody performs it now. */
  | { state: 'running'; retryAfterS: number }
  | { state: 'answered'; answer: Buffer }
  /** The key was used for another request. */
  | { state: 'other' }
  /** Too many keys are kept for this scope. */
  | { state: 'full' };

export interface KeyedRequest {
  /** 32 bytes: who and which key. */
  id: Buffer;
  /** Whose bound it counts towards. */
  scope: string;
  /** 32 bytes: what is asked. */
  fingerprint: Buffer;
  requestId: string;
}

/** Where answers are kept for a day. Every call may throw: then the request fails (begin), or is answered and repeats as unknown (finish). */
export interface IdempotencyStore {
  begin(request: KeyedRequest): Promise<Begun>;
  finish(id: Buffer, status: number, answer: Buffer): Promise<void>;
  /** It did not come to an answer worth keeping: the next repeat performs it again, under the same request id. */
  release(id: Buffer): Promise<void>;
}

export interface IdempotencyOptions { store: IdempotencyStore; /** At least 32 bytes; the same in all processes and for ever. */ secret: Buffer }

/** Ids and other random things that a write is made with. For a keyed request a repeat gets the same ones. */
export interface Ids {
  /** @param label tells several of one request apart. */
  uuid(label: string): string;
  bytes(label: string, length: number): Buffer;
  /** This request was begun before, and what became of it is not known. */
  readonly repeat: boolean;
}

export const randomIds: Ids = { uuid: () => randomUUID(), bytes: (_label, length) => randomBytes(length), repeat: false };

/** The same seed and label give the same id (a UUID of version 8: made by its own rules). */
export function idsOfSeed(seed: Buffer, repeat: boolean): Ids {
  const bytes = (label: string, length: number): Buffer => Buffer.from(hkdfSync('sha256', seed, Buffer.alloc(0), label, length));
  return {
    repeat, bytes,
    uuid(label) {
      const raw = bytes(`uuid ${label}`, 16);
      raw.writeUInt8((raw.readUInt8(6) & 0x0f) | 0x80, 6);
      raw.writeUInt8((raw.readUInt8(8) & 0x3f) | 0x80, 8);
      return raw.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    },
  };
}

/**
 * A create whose id is taken is a conflict, and taking away what is gone finds nothing; for a repeat whose first try did get
 * through neither is wrong: then what is there, if `isOurs`, is the answer.
 */
export async function unlessRepeated<T>(ids: Ids, create: Promise<T>, find: () => Promise<T | undefined>, isOurs: (made: T) => boolean): Promise<T> {
  try {
    return await create;
  } catch (error) {
    if (!ids.repeat || !['conflict', 'not-found'].includes(asSkyError(error).kind)) throw error;
    const made = await find().catch(() => undefined);
    if (made === undefined || !isOurs(made)) throw error;
    return made;
  }
}

const known = new WeakMap<object, Ids>();
export const giveIds = (request: Pick<FastifyRequest, 'raw'>, ids: Ids): void => { known.set(request.raw, ids); };
/** What this request makes its ids with. */
export const idsOf = (request: Pick<FastifyRequest, 'raw'>): Ids => known.get(request.raw) ?? randomIds;

/** A structured field's string, or the bare text that most clients send. */
export function keyOf(header: string | string[]): string {
  const text = typeof header === 'string' ? header.trim() : '';
  const key = /^"(?:[^"\\]|\\["\\])*"$/.test(text) ? text.slice(1, -1).replace(/\\(["\\])/g, '$1') : text;
  if (key.length < 1 || key.length > LIMITS.idempotencyKeyChars || !/^[\x21-\x7e]+$/.test(key)) {
    throw badRequest(`Idempotency-Key must be 1 to ${LIMITS.idempotencyKeyChars} printable ASCII characters without spaces, for example a UUID.`);
  }
  return key;
}

/** One client's key: what it is stored under, what the request is compared by, and the lock of its answer. */
export class ClientKey {
  readonly id: Buffer;
  /** @param kind of token, where it is another than one for a project by its user's own proof: an answer may hold what only that token may see. */
  constructor(private readonly secret: Buffer, readonly scope: string, userId: string, private readonly key: string, kind: readonly string[] = []) {
    this.id = this.#hmac('id', JSON.stringify([scope, userId, key, ...kind]));
  }

  /** Keyed and with the key in it: bodies may hold passwords, and a plain hash of one can be guessed. */
  fingerprint(request: Pick<FastifyRequest, 'method' | 'headers' | 'body'> & { url: string }): Buffer {
    const { headers } = request;
    return this.#hmac('request', JSON.stringify([this.key, request.method, request.url, headers['openstack-api-version'] ?? null, headers['x-openstack-nova-api-version'] ?? null, canonical(request.body)]));
  }

  /** New ones when a key is used again after its record has expired: the request id is part of them. */
  ids(requestId: string, repeat: boolean): Ids {
    return idsOfSeed(this.#hmac('seed', JSON.stringify([this.id.toString('hex'), this.key, requestId])), repeat);
  }

  seal(answer: SealedAnswer): Buffer {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#lock(), nonce).setAAD(this.id);
    const text = Buffer.concat([cipher.update(JSON.stringify(answer), 'utf8'), cipher.final()]);
    return Buffer.concat([Buffer.of(1), nonce, cipher.getAuthTag(), text]);
  }

  /** @throws when it was sealed by another key or secret. */
  open(sealed: Buffer): SealedAnswer {
    if (sealed[0] !== 1) throw new Error('an answer sealed in an unknown way');
    const decipher = createDecipheriv('aes-256-gcm', this.#lock(), sealed.subarray(1, 13)).setAAD(this.id).setAuthTag(sealed.subarray(13, 29));
    return JSON.parse(Buffer.concat([decipher.update(sealed.subarray(29)), decipher.final()]).toString('utf8')) as SealedAnswer;
  }

  #lock(): Buffer {
    return Buffer.from(hkdfSync('sha256', this.secret, this.id, `answer ${this.key}`, 32));
  }

  #hmac(purpose: string, text: string): Buffer {
    return createHmac('sha256', this.secret).update(`${purpose}\0`).update(text).digest();
  }
}

export interface SealedAnswer { status: number; headers: Record<string, string>; body: string }

/** Nothing for a token for a project by its user's own proof; the rest of what makes one token see other things than another of the same user. */
export const kindOfToken = ({ applicationCredentialId, scopeDomainId, isSystem }: Pick<Caller, 'applicationCredentialId' | 'scopeDomainId' | 'isSystem'>): string[] => [
  ...(typeof applicationCredentialId === 'string' ? [`application-credential ${applicationCredentialId}`] : []),
  ...(typeof scopeDomainId === 'string' ? [`domain ${scopeDomainId}`] : []), ...(isSystem === true ? ['system'] : []),
];

/** A recorded answer on its way out again; the filter sends it as it is. */
export class RecordedAnswer extends Error {
  constructor(readonly answer: SealedAnswer) { super('answered before'); }
}

/** Keys in one order: two bodies that mean the same are the same. */
const canonical = (value: unknown): unknown => {
  if (Array.isArray(value)) return ['[', ...value.map(canonical)];
  if (typeof value !== 'object' || value === null) return value ?? null;
  return ['{', ...Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([key, each]) => [key, canonical(each)])];
};
