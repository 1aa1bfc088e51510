import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { TOKEN_LIMITS } from './limits.js';

/**
 * Tokens are compact JWS signed with Ed25519, and nothing else: the header must be exactly
 * {"alg":"EdDSA","kid":…,"typ":"JWT"}, so there is no algorithm to confuse and no key to smuggle in.
 * Payloads are short (ids of 32 hex digits travel as 22 characters): 20 roles stay under 2 KiB.
 */
export interface TokenClaims {
  /** The cloud's id. */
  issuer: string;
  /** 22 characters of base64url, Keystone's audit id. */
  auditId: string;
  /** Audit id of the token that this one was made from. */
  parentAuditId: string | null;
  /** Seconds since the epoch by the database's clock, with fractions: when what the token says was read. */
  issuedAt: number;
  /** Seconds since the epoch. */
  expiresAt: number;
  /** How the user proved who they are: password, token. */
  methods: string[];
  user: { id: string; name: string; domain: { id: string; name: string }; passwordExpiresAt: string | null };
  /** null: an unscoped token. */
  project: { id: string; name: string; domain: { id: string; name: string } } | null;
  /** Empty when unscoped. */
  roles: { id: string; name: string }[];
  /** The token is for a whole domain: that one. */
  scopeDomain?: { id: string; name: string };
  /** The token is for the system. */
  system?: boolean;
  /** PostgreSQL's snapshot by which it was made: whatever took rights away and is not seen in it counts against the token. */
  snapshot?: string;
  /** Made with an application credential. `restricted`: may not make or remove credentials. `ruled`: has access rules. */
  applicationCredential?: { id: string; name: string; restricted: boolean; ruled: boolean };
}

/** Of a token's claims those by which a revocation knows it: for what is kept when the token itself is not. */
export interface RevocableClaims extends Pick<TokenClaims, 'auditId' | 'parentAuditId' | 'issuedAt' | 'expiresAt'> {
  user: { id: string; domain: { id: string } };
  project: { id: string; domain: { id: string } } | null;
  roles: readonly { id: string }[];
  scopeDomain?: { id: string } | undefined;
  snapshot?: string | undefined;
  applicationCredential?: { id: string } | undefined;
}

/** What may be published of a key. `x` is the raw public key in base64url. */
export interface PublicTokenKey { kid: string; x: string }

/** A private key as it is stored. */
export interface SigningJwk { kty: 'OKP'; crv: 'Ed25519'; x: string; d: string }

export interface SigningKey { readonly issuer: string; readonly kid: string; readonly x: string; readonly privateKey: KeyObject }

/** A public key ready for use, with its raw bytes (they and the issuer make the key's id). */
export interface ImportedKey { readonly kid: string; readonly x: string; readonly key: KeyObject }

export type TokenKeyLookup = (kid: string) => ImportedKey | undefined;
export type TokenRefusal = 'malformed' | 'unknown-key' | 'bad-signature' | 'expired' | 'not-yet-valid' | 'foreign';
export type TokenVerdict = { ok: true; claims: TokenClaims; kid: string } | { ok: false; reason: TokenRefusal };

const AUDIENCE = 'skylite';
const HEADER_FIELDS = ['alg', 'kid', 'typ'];

/** A key's id commits to its cloud and its bytes: a token's `iss` cannot be another cloud's than its key's. */
const keyId = (issuer: string, x: string): string => createHash('sha256').update(`${issuer}\n${x}`).digest('base64url').slice(0, 16);

/** Was this key made for this cloud? */
export const isKeyOf = (issuer: string, { kid, x }: PublicTokenKey): boolean => keyId(issuer, x) === kid;

/** @returns the key and the form in which to store it. */
export function makeSigningKey(issuer: string): { key: SigningKey; jwk: SigningJwk } {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as unknown as SigningJwk;
  return { key: signingKeyFromJwk(issuer, jwk), jwk: { kty: jwk.kty, crv: jwk.crv, x: jwk.x, d: jwk.d } };
}

/** @throws TypeError when the stored key is of any other kind than Ed25519. */
export function signingKeyFromJwk(issuer: string, jwk: SigningJwk): SigningKey {
  if (jwk.kty !== 'OKP' || jwk.crv !== 'Ed25519') throw new TypeError('A token signing key must be Ed25519.');
  const privateKey = createPrivateKey({ key: { ...jwk }, format: 'jwk' });
  const x = createPublicKey(privateKey).export({ format: 'jwk' }).x ?? '';
  return { issuer, kid: keyId(issuer, x), x, privateKey };
}

export const importPublicKey = ({ kid, x }: PublicTokenKey): ImportedKey => ({
  kid, x, key: createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }),
});

// Ids: 32 hex digits shrink to '~' and 22 characters; anything else travels as it is.
const HEX_ID = /^[0-9a-f]{32}$/;
const packId = (id: string): string => {
  if (HEX_ID.test(id)) return `~${Buffer.from(id, 'hex').toString('base64url')}`;
  return id.startsWith('~') ? `~~${id}` : id;
};
const unpackId = (packed: string): string => {
  if (packed.startsWith('~~')) return packed.slice(2);
  return packed.startsWith('~') ? Buffer.from(packed.slice(1), 'base64url').toString('hex') : packed;
};

/** PostgreSQL's: the oldest transaction that ran, and counted from there the next one and those that ran between. */
const SNAPSHOT = /^\d{1,20}:\d{1,20}:[\d,]{0,256}$/;
const ID_BYTES = 16;

/** A cloud's id is a UUID: without its dashes it shrinks as other ids do. */
const UUID = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/;
const packIssuer = (issuer: string): string => (UUID.test(issuer) ? packId(issuer.replaceAll('-', '')) : issuer);
const unpackIssuer = (packed: string): string => (/^~[\w-]{22}$/.test(packed) ? unpackId(packed).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') : packed);

const Domained = z.tuple([z.string(), z.string(), z.string(), z.string()]);
/** Strict: a claim that this build does not know might narrow the token, so it refuses. */
const Payload = z.strictObject({
  iss: z.string().min(1), aud: z.literal(AUDIENCE), iat: z.number().min(0), exp: z.int(), jti: z.string().min(1), pji: z.string().min(1).optional(),
  amr: z.array(z.string()).min(1), usr: Domained, pwe: z.string().optional(),
  // Without its domain when that is the user's.
  prj: z.union([Domained, z.tuple([z.string(), z.string()])]).optional(),
  // Names, with the ids (of 16 bytes each) in `rid`; without that, ids and names in turn.
  rls: z.array(z.string()), rid: z.base64url().optional(),
  dom: z.tuple([z.string(), z.string()]).optional(), sys: z.literal(1).optional(),
  snp: z.string().regex(SNAPSHOT).optional(),
  // Id, name, and the sum of: 1 restricted, 2 has access rules.
  acr: z.tuple([z.string(), z.string(), z.int().min(0).max(3)]).optional(),
}).refine(({ prj, dom, sys }) => [prj, dom, sys].filter((scope) => scope !== undefined).length <= 1)
  .refine(({ rls, rid }) => (rid === undefined ? rls.length % 2 === 0 : Buffer.from(rid, 'base64url').length === rls.length * ID_BYTES));

const packNamed = (it: { id: string; name: string; domain: { id: string; name: string } }): [string, string, string, string] =>
  [packId(it.id), it.name, packId(it.domain.id), it.domain.name];
const unpackNamed = ([id, name, domainId, domainName]: [string, string, string, string]) =>
  ({ id: unpackId(id), name, domain: { id: unpackId(domainId), name: domainName } });

type Domain = { id: string; name: string };
const packProject = (project: { id: string; name: string; domain: Domain }, home: Domain): [string, string, string, string] | [string, string] =>
  (project.domain.id === home.id && project.domain.name === home.name ? [packId(project.id), project.name] : packNamed(project));

function packRoles(roles: TokenClaims['roles']): { rls: string[]; rid?: string } {
  if (roles.length === 0 || !roles.every(({ id }) => HEX_ID.test(id))) return { rls: roles.flatMap((role) => [packId(role.id), role.name]) };
  return { rls: roles.map(({ name }) => name), rid: Buffer.from(roles.map(({ id }) => id).join(''), 'hex').toString('base64url') };
}

function unpackRoles(rls: readonly string[], rid: string | undefined): TokenClaims['roles'] {
  const ids = rid === undefined ? undefined : Buffer.from(rid, 'base64url');
  if (ids !== undefined) return rls.map((name, n) => ({ id: ids.toString('hex', n * ID_BYTES, (n + 1) * ID_BYTES), name }));
  return Array.from({ length: rls.length / 2 }, (_, n) => ({ id: unpackId(rls[2 * n] ?? ''), name: rls[2 * n + 1] ?? '' }));
}

const snapshotFrom = (move: (xid: bigint, oldest: bigint) => bigint) => (text: string): string => {
  const [oldest = '', next = '', running = ''] = text.split(':');
  const moved = (xid: string): string => move(BigInt(xid), BigInt(oldest)).toString();
  return `${oldest}:${moved(next)}:${running.split(',').filter(Boolean).map(moved).join()}`;
};
const packSnapshot = snapshotFrom((xid, oldest) => xid - oldest);
const unpackSnapshot = snapshotFrom((xid, oldest) => xid + oldest);

const packCredential = (it: NonNullable<TokenClaims['applicationCredential']>): [string, string, number] =>
  [packId(it.id), it.name, (it.restricted ? 1 : 0) + (it.ruled ? 2 : 0)];
const unpackCredential = ([id, name, flags]: [string, string, number]): NonNullable<TokenClaims['applicationCredential']> =>
  ({ id: unpackId(id), name, restricted: (flags & 1) !== 0, ruled: (flags & 2) !== 0 });

/** The issuer in the claims is the key's. */
export function signToken(key: SigningKey, claims: Omit<TokenClaims, 'issuer'>): string {
  const payload: z.input<typeof Payload> = {
    iss: packIssuer(key.issuer), aud: AUDIENCE, iat: claims.issuedAt, exp: claims.expiresAt, jti: claims.auditId,
    ...(claims.parentAuditId !== null && { pji: claims.parentAuditId }),
    amr: claims.methods, usr: packNamed(claims.user),
    ...(claims.user.passwordExpiresAt !== null && { pwe: claims.user.passwordExpiresAt }),
    ...(claims.project !== null && { prj: packProject(claims.project, claims.user.domain) }),
    ...packRoles(claims.roles),
    ...(claims.scopeDomain !== undefined && { dom: [packId(claims.scopeDomain.id), claims.scopeDomain.name] satisfies [string, string] }),
    ...(claims.system === true && { sys: 1 as const }),
    ...(claims.snapshot !== undefined && { snp: packSnapshot(claims.snapshot) }),
    ...(claims.applicationCredential !== undefined && { acr: packCredential(claims.applicationCredential) }),
  };
  const signed = `${encode({ alg: 'EdDSA', kid: key.kid, typ: 'JWT' })}.${encode(payload)}`;
  return `${signed}.${sign(null, Buffer.from(signed), key.privateKey).toString('base64url')}`;
}

/** @param nowMs milliseconds since the epoch. @param endedMs one that ended less than that ago is still taken. */
export function verifyToken(token: string, keys: TokenKeyLookup, nowMs: number, endedMs = 0): TokenVerdict {
  const refuse = (reason: TokenRefusal): TokenVerdict => ({ ok: false, reason });
  if (token.length > TOKEN_LIMITS.maxTokenChars) return refuse('malformed');
  const parts = token.split('.');
  const [head, body, signature] = parts.map(decode);
  if (parts.length !== 3 || !head || !body || signature?.length !== 64) return refuse('malformed');

  const header = parseJson(head);
  if (typeof header !== 'object' || header === null || Object.keys(header).sort().join() !== HEADER_FIELDS.join()) return refuse('malformed');
  const { alg, kid, typ } = header as Record<string, unknown>;
  if (alg !== 'EdDSA' || typ !== 'JWT' || typeof kid !== 'string') return refuse('malformed');

  const key = keys(kid);
  if (key === undefined || key.kid !== kid) return refuse('unknown-key');
  // null: the algorithm is the key's own, Ed25519; nothing in the token can change it.
  if (!verify(null, Buffer.from(token.slice(0, token.lastIndexOf('.'))), key.key, signature)) return refuse('bad-signature');

  const payload = Payload.safeParse(parseJson(body));
  if (!payload.success) return refuse('malformed');
  const { data } = payload;
  if (!isKeyOf(unpackIssuer(data.iss), key)) return refuse('foreign');
  if (data.exp * 1_000 + endedMs <= nowMs) return refuse('expired');
  if (data.iat * 1_000 > nowMs + TOKEN_LIMITS.clockSkewS * 1_000) return refuse('not-yet-valid');
  return { ok: true, kid, claims: toClaims(data) };
}

function toClaims(data: z.output<typeof Payload>): TokenClaims {
  const user = unpackNamed(data.usr);
  return {
    issuer: unpackIssuer(data.iss), auditId: data.jti, parentAuditId: data.pji ?? null, issuedAt: data.iat, expiresAt: data.exp, methods: data.amr,
    user: { ...user, passwordExpiresAt: data.pwe ?? null },
    project: data.prj === undefined ? null : data.prj.length === 4 ? unpackNamed(data.prj) : { id: unpackId(data.prj[0]), name: data.prj[1], domain: { ...user.domain } },
    roles: unpackRoles(data.rls, data.rid),
    ...(data.dom !== undefined && { scopeDomain: { id: unpackId(data.dom[0]), name: data.dom[1] } }),
    ...(data.sys !== undefined && { system: true }),
    ...(data.snp !== undefined && { snapshot: unpackSnapshot(data.snp) }),
    ...(data.acr !== undefined && { applicationCredential: unpackCredential(data.acr) }),
  };
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Only the canonical spelling: two strings must never be the same token. */
function decode(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? bytes : undefined;
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
