import { createHmac, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { importPublicKey, makeSigningKey, signingKeyFromJwk, signToken, verifyToken, type ImportedKey, type SigningJwk, type TokenClaims } from './token.js';

const CLOUD = '3f0f7c1e-7f55-4f5a-9a5b-0a8f6f0c2d11';
const NOW_S = 1_800_000_000;
const NOW = NOW_S * 1_000;
const { key, jwk } = makeSigningKey(CLOUD);
const mine = importPublicKey(key);
const lookup = (kid: string): ImportedKey | undefined => (kid === mine.kid ? mine : undefined);
const id = (): string => randomBytes(16).toString('hex');

const claims = (over: Partial<TokenClaims> = {}): Omit<TokenClaims, 'issuer'> => ({
  auditId: randomBytes(16).toString('base64url'), parentAuditId: null, issuedAt: NOW_S - 10, expiresAt: NOW_S + 3_600, methods: ['password'],
  user: { id: id(), name: 'demo', domain: { id: 'default', name: 'Default' }, passwordExpiresAt: null },
  project: { id: id(), name: 'demo', domain: { id: 'default', name: 'Default' } },
  roles: [{ id: id(), name: 'member' }, { id: id(), name: 'reader' }],
  ...over,
});

const b64 = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const good = signToken(key, claims());
const [head = '', body = '', signature = ''] = good.split('.');
const header = { alg: 'EdDSA', kid: key.kid, typ: 'JWT' };
const payload = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
/** Signed by the true key, whatever it says. */
const signed = (head: unknown, body: unknown, by: KeyObject = key.privateKey): string => {
  const text = `${b64(head)}.${b64(body)}`;
  return `${text}.${sign(null, Buffer.from(text), by).toString('base64url')}`;
};
const flip = (text: string, at: number): string => text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);

describe('a token', () => {
  it('says what was put in, byte for byte', () => {
    const name = fc.string({ maxLength: 40, unit: 'grapheme' });
    const anyId = fc.oneof(fc.stringMatching(/^[0-9a-f]{32}$/), fc.string({ minLength: 1, maxLength: 40 }), fc.constantFrom('~', '~~', '~a', 'default', 'A'.repeat(32)));
    const named = fc.record({ id: anyId, name, domain: fc.record({ id: anyId, name }) });
    fc.assert(fc.property(fc.record({
      auditId: fc.stringMatching(/^[\w-]{22}$/), parentAuditId: fc.option(fc.stringMatching(/^[\w-]{22}$/)),
      issuedAt: fc.oneof(fc.integer({ min: 0, max: NOW_S }), fc.double({ min: 0, max: NOW_S, noNaN: true }).map((at) => Math.abs(at))), expiresAt: fc.integer({ min: NOW_S + 1, max: 4_000_000_000 }),
      methods: fc.array(fc.constantFrom('password', 'token'), { minLength: 1, maxLength: 2 }),
      user: fc.tuple(named, fc.option(fc.constant('2030-01-01T00:00:00.000Z'))).map(([user, passwordExpiresAt]) => ({ ...user, passwordExpiresAt })),
      scope: fc.oneof(named.map((project) => ({ project })), fc.record({ id: anyId, name }).map((scopeDomain) => ({ project: null, scopeDomain })), fc.constantFrom({ project: null, system: true }, { project: null })),
      roles: fc.array(fc.record({ id: anyId, name }), { maxLength: 25 }),
      more: fc.constantFrom({}, { snapshot: '1:20:7,9' }, { snapshot: '751:751:', applicationCredential: { id: 'c'.repeat(32), name: 'ci', restricted: true, ruled: false } }),
    }), ({ scope, more, ...rest }) => {
      const said = { ...rest, ...scope, ...more };
      const verdict = verifyToken(signToken(key, said), lookup, NOW);
      expect(verdict).toEqual({ ok: true, kid: key.kid, claims: { issuer: CLOUD, ...said } });
    }), { numRuns: 200 });
  });

  it('stays under 2 KiB with 20 roles', () => {
    const roles = Array.from({ length: 20 }, (_, n) => ({ id: id(), name: `load-balancer-role-${n}` }));
    const project = { id: id(), name: 'platform-team-production', domain: { id: id(), name: 'corporate-directory' } };
    const user = { id: id(), name: 'firstname.lastname@example.com', domain: { id: id(), name: 'corporate-directory' }, passwordExpiresAt: null };
    const applicationCredential = { id: id(), name: 'continuous-integration', restricted: true, ruled: true };
    const all = { roles, project, user, parentAuditId: 'x'.repeat(22), methods: ['password', 'token'], issuedAt: NOW_S - 0.123456, snapshot: '123456789:123456999:123456790,123456800,123456900', applicationCredential };
    expect(signToken(key, claims(all)).length).toBeLessThan(2_048);
    expect(good.length).toBeLessThan(800);
  });

  it('is signed by a key that can be stored and read again', () => {
    const again = signingKeyFromJwk(CLOUD, JSON.parse(JSON.stringify(jwk)) as SigningJwk);
    expect(again.kid).toBe(key.kid);
    expect(verifyToken(signToken(again, claims()), lookup, NOW).ok).toBe(true);
    expect(() => signingKeyFromJwk(CLOUD, { ...jwk, kty: 'RSA' } as unknown as SigningJwk)).toThrow(TypeError);
    expect(() => signingKeyFromJwk(CLOUD, { ...jwk, crv: 'Ed448' } as unknown as SigningJwk)).toThrow(TypeError);
  });
});

describe('a token is refused when', () => {
  const stranger = generateKeyPairSync('ed25519');
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const foreignCloud = signingKeyFromJwk('another-cloud', jwk);
  const hmac = (head: unknown, secret: string | Buffer): string => {
    const text = `${b64(head)}.${body}`;
    return `${text}.${createHmac('sha512', secret).update(text).digest('base64url')}`;
  };
  const smallOrder = importPublicKey({ kid: 'small', x: Buffer.concat([Buffer.from([1]), Buffer.alloc(31)]).toString('base64url') });

  const table: [string, string, string][] = [
    ['it is empty', '', 'malformed'],
    ['it is a word', 'nonsense', 'malformed'],
    ['it has two parts', `${head}.${body}`, 'malformed'],
    ['it has four parts', `${good}.x`, 'malformed'],
    ['its parts are empty', '..', 'malformed'],
    ['it is longer than any', `${'A'.repeat(8_200)}`, 'malformed'],
    ['it is a Fernet token', `gAAAAAB${'k'.repeat(170)}==`, 'malformed'],
    ['its header is no JSON', `${b64('{')}.${body}.${signature}`, 'malformed'],
    ['its header is a list', signed([header], payload), 'malformed'],
    ['its algorithm is none', `${b64({ ...header, alg: 'none' })}.${body}.`, 'malformed'],
    ['its algorithm is none, with a signature', signed({ ...header, alg: 'none' }, payload), 'malformed'],
    ['its algorithm is spelled otherwise', signed({ ...header, alg: 'eddsa' }, payload), 'malformed'],
    ['its algorithm is Ed25519', signed({ ...header, alg: 'Ed25519' }, payload), 'malformed'],
    ['it is an HMAC with the public key (base64url)', hmac({ ...header, alg: 'HS512' }, key.x), 'malformed'],
    ['it is an HMAC that calls itself EdDSA', hmac(header, Buffer.from(key.x, 'base64url')), 'bad-signature'],
    ['its algorithm is RS256', `${b64({ ...header, alg: 'RS256' })}.${body}.${sign('sha256', Buffer.from(`${b64({ ...header, alg: 'RS256' })}.${body}`), rsa.privateKey).toString('base64url')}`, 'malformed'],
    ['it brings its own key', signed({ ...header, jwk: stranger.publicKey.export({ format: 'jwk' }) }, payload, stranger.privateKey), 'malformed'],
    ['it says where to get a key', signed({ ...header, jku: 'http://evil.test/keys' }, payload), 'malformed'],
    ['it has a critical extension', signed({ ...header, crit: ['b64'], b64: false }, payload), 'malformed'],
    ['its type is another', signed({ ...header, typ: 'JWE' }, payload), 'malformed'],
    ['its header lacks the key', signed({ alg: 'EdDSA', typ: 'JWT' }, payload), 'malformed'],
    ['its key is no text', signed({ ...header, kid: 1 }, payload), 'malformed'],
    ['its key is unknown', signed({ ...header, kid: 'x'.repeat(16) }, payload, stranger.privateKey), 'unknown-key'],
    ['its key is a name of Object', signed({ ...header, kid: '__proto__' }, payload), 'unknown-key'],
    ['it is signed by a stranger under our key\'s name', signed(header, payload, stranger.privateKey), 'bad-signature'],
    ['one letter of the header is changed', `${flip(head, 12)}.${body}.${signature}`, ''],
    ['one letter of the body is changed', `${head}.${flip(body, 40)}.${signature}`, 'bad-signature'],
    ['one letter of the signature is changed', `${head}.${body}.${flip(signature, 20)}`, 'bad-signature'],
    ['its signature is another token\'s', `${head}.${body}.${signToken(key, claims()).split('.')[2] ?? ''}`, 'bad-signature'],
    ['its signature is cut', `${head}.${body}.${signature.slice(0, -4)}`, 'malformed'],
    ['its signature is zeros', `${head}.${body}.${'A'.repeat(86)}`, 'bad-signature'],
    ['it is spelled with padding', `${good}==`, 'malformed'],
    ['it is spelled in plain base64', `${head}.${body}.${Buffer.from(signature, 'base64url').toString('base64')}`, 'malformed'],
    ['unused bits of its signature are set', good.slice(0, -1) + String.fromCharCode(good.charCodeAt(good.length - 1) + 1), 'malformed'],
    ['a space follows', `${good} `, 'malformed'],
    ['two are sent in one header', `${good}, ${good}`, 'malformed'],
    ['it has expired', signed(header, { ...payload, exp: NOW_S }), 'expired'],
    ['it never expires', signed(header, { ...payload, exp: undefined }), 'malformed'],
    ['it expires at a text', signed(header, { ...payload, exp: '9999999999' }), 'malformed'],
    ['it comes from the future', signed(header, { ...payload, iat: NOW_S + 61 }), 'not-yet-valid'],
    ['it is for somebody else', signed(header, { ...payload, aud: 'other' }), 'malformed'],
    ['it is another cloud\'s with the same key', signed(header, { ...payload, iss: 'another-cloud' }), 'foreign'],
    ['it is another cloud\'s', signToken(foreignCloud, claims()), 'unknown-key'],
    ['it has a claim that nobody knows', signed(header, { ...payload, only: 'images' }), 'malformed'],
    ['it is for a project and the system', signed(header, { ...payload, sys: 1 }), 'malformed'],
    ['it is for a project and a domain', signed(header, { ...payload, dom: ['default', 'Default'] }), 'malformed'],
    ['it is for a system that is none', signed(header, { ...payload, prj: undefined, sys: 'all' }), 'malformed'],
    ['it was issued at no time', signed(header, { ...payload, iat: 'now' }), 'malformed'],
    ['it was issued before time began', signed(header, { ...payload, iat: -1 }), 'malformed'],
    ['its snapshot is no snapshot', signed(header, { ...payload, snp: 'everything' }), 'malformed'],
    ['its snapshot is longer than any', signed(header, { ...payload, snp: `1:2:${'3,'.repeat(200)}` }), 'malformed'],
    ['its application credential is half one', signed(header, { ...payload, acr: ['id'] }), 'malformed'],
    ['its application credential is of a kind that nobody knows', signed(header, { ...payload, acr: ['id', 'name', 4] }), 'malformed'],
    ['its user is missing', signed(header, { ...payload, usr: undefined }), 'malformed'],
    ['its roles are halved', signed(header, { ...payload, rid: undefined, rls: ['x'] }), 'malformed'],
    ['its roles are half an id', signed(header, { ...payload, rid: 'AAAA', rls: ['member'] }), 'malformed'],
    ['its roles have more names than ids', signed(header, { ...payload, rls: ['member', 'reader', 'admin'] }), 'malformed'],
    ['its body is no object', signed(header, 'null'), 'malformed'],
  ];

  it.each(table)('%s', (_, token, reason) => {
    const verdict = verifyToken(token, lookup, NOW);
    expect(verdict.ok).toBe(false);
    if (reason !== '') expect(verdict).toEqual({ ok: false, reason });
  });

  it('a weak public key is listed and anything is signed with it', () => {
    const token = `${b64({ ...header, kid: 'small' })}.${body}.${Buffer.concat([Buffer.from([1]), Buffer.alloc(63)]).toString('base64url')}`;
    expect(verifyToken(token, () => smallOrder, NOW).ok).toBe(false);
  });

  it('any one bit of it is changed', () => {
    fc.assert(fc.property(fc.nat({ max: good.length - 1 }), fc.integer({ min: 0, max: 6 }), (at, bit) => {
      const changed = good.slice(0, at) + String.fromCharCode(good.charCodeAt(at) ^ (1 << bit)) + good.slice(at + 1);
      expect(verifyToken(changed, lookup, NOW).ok).toBe(false);
    }), { numRuns: 400 });
  });

  it('it is any text at all', () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => { expect(verifyToken(text, lookup, NOW).ok).toBe(false); }));
  });
});

it('the unchanged token and a token of the last second are good', () => {
  expect(verifyToken(good, lookup, NOW).ok).toBe(true);
  expect(verifyToken(signed(header, { ...payload, exp: NOW_S + 1 }), lookup, NOW).ok).toBe(true);
});

it('a token as it was made before there were shorter ones is read still', () => {
  const old = { iss: CLOUD, aud: 'skylite', iat: NOW_S - 10, exp: NOW_S + 10, jti: 'a', amr: ['password'], usr: ['u', 'demo', 'default', 'Default'], prj: ['p', 'demo', 'default', 'Default'], rls: ['~AAAAAAAAAAAAAAAAAAAAAA', 'member', 'x', 'reader'] };
  expect(verifyToken(signed(header, old), lookup, NOW)).toMatchObject({ ok: true, claims: {
    issuedAt: NOW_S - 10, project: { id: 'p', domain: { id: 'default', name: 'Default' } }, roles: [{ id: '0'.repeat(32), name: 'member' }, { id: 'x', name: 'reader' }] } });
});
