import { createHash, generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { badRequest } from '#libs/errors';
import { parseSshPublicKey } from './decide/ssh-public-key.js';

const generate = promisify(generateKeyPair);

export interface SshKey { publicKey: string; fingerprint: string }

/** A key pair as Nova makes it: RSA 2048, the private half as PEM. Made in libuv's pool, not on the event loop. */
export async function makeSshKey(): Promise<SshKey & { privateKey: string }> {
  const pair = await generate('rsa', { modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'der' }, privateKeyEncoding: { type: 'pkcs1', format: 'pem' } });
  const jwk = await rsaNumbers(pair.publicKey);
  const blob = Buffer.concat([field(Buffer.from('ssh-rsa')), field(positive(jwk.e)), field(positive(jwk.n))]);
  return { publicKey: `ssh-rsa ${blob.toString('base64')} Generated-by-Skylite`, fingerprint: fingerprintOf(blob), privateKey: pair.privateKey };
}

/** A public key that somebody brings, checked to the last byte. */
export function importSshKey(text: string): SshKey {
  const parsed = parseSshPublicKey(text);
  if ('problem' in parsed) throw badRequest(`Keypair data is invalid: ${parsed.problem}`);
  return { publicKey: parsed.line, fingerprint: fingerprintOf(parsed.blob) };
}

/** MD5 in pairs with colons: what Nova shows and clients compare. It names a key, it protects nothing. */
const fingerprintOf = (blob: Uint8Array): string => (createHash('md5').update(blob).digest('hex').match(/../g) ?? []).join(':');

async function rsaNumbers(spki: Buffer): Promise<{ n: Buffer; e: Buffer }> {
  const key = await crypto.subtle.importKey('spki', new Uint8Array(spki), { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, true, ['verify']);
  const { n = '', e = '' } = await crypto.subtle.exportKey('jwk', key);
  return { n: Buffer.from(n, 'base64url'), e: Buffer.from(e, 'base64url') };
}

const field = (bytes: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

/** SSH's numbers are signed: a leading one bit needs a zero byte before it. */
const positive = (number: Buffer): Buffer => ((number[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), number]) : number);
