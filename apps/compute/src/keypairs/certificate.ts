import { X509Certificate } from 'node:crypto';
import { badRequest } from '#libs/errors';

/** A PEM certificate that somebody brings (Windows guests log people in by it), named by the SHA-1 of its bytes as Nova names it. */
export function importCertificate(text: string): { publicKey: string; fingerprint: string } {
  if (!text.includes('-----BEGIN CERTIFICATE-----')) throw badRequest('Keypair data is invalid: failed to generate X509 fingerprint. Error message: this is no PEM certificate');
  try {
    return { publicKey: text, fingerprint: new X509Certificate(text).fingerprint.toLowerCase() };
  } catch (error) {
    throw badRequest('Keypair data is invalid: failed to generate X509 fingerprint. Error message: the certificate cannot be read', { cause: error });
  }
}
