/**
 * Answers the NATS server's challenge with a host's or service's key. The library's own way derives the key anew at each
 * handshake in plain JavaScript, some ten milliseconds of a core; when everybody reconnects at once that is what decides.
 */
import { createPrivateKey, sign } from 'node:crypto';
import { credsAuthenticator, type Authenticator } from '@nats-io/transport-node';
import * as nkeys from '@nats-io/nkeys';

/** What stands before the 32 bytes of an Ed25519 seed in PKCS #8. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** @param creds content of a .creds file: user JWT and nkey seed */
export function fastAuthenticator(creds: string): Authenticator {
  const [jwt, seed] = [...creds.matchAll(/-{3,}BEGIN[^\n]*-{3,}\s+(\S+)\s+-{3,}END/g)].map((part) => part[1]);
  // Not as we know them: the library reads them, or says why not.
  if (jwt === undefined || seed === undefined) return credsAuthenticator(new TextEncoder().encode(creds));
  const pair = nkeys.fromSeed(new TextEncoder().encode(seed)) as nkeys.KeyPair & { getRawSeed(): Uint8Array };
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, pair.getRawSeed()]), format: 'der', type: 'pkcs8' });
  const nkey = pair.getPublicKey();
  return (nonce) => ({ jwt, nkey, sig: nonce ? sign(null, Buffer.from(nonce), key).toString('base64') : '' });
}
