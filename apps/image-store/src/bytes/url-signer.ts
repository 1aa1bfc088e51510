import { createHmac, timingSafeEqual } from 'node:crypto';

export interface Signed { imageId: string; host: string; expiresAtMs: number }

/** Short-lived proofs that a host may read one image: HMAC-SHA-256 over everything the URL says. */
export class UrlSigner {
  readonly #key: Buffer;

  /** @param secret hex, at least 32 bytes. */
  constructor(secret: string) {
    this.#key = Buffer.from(secret, 'hex');
    if (this.#key.length < 32) throw new Error('the secret that signs image URLs must have at least 32 bytes');
  }

  /** The path and query below the door's base. */
  sign(what: Signed): string {
    const query = new URLSearchParams({ host: what.host, expires: String(what.expiresAtMs), signature: this.#signature(what).toString('base64url') });
    return `/image/bytes/${what.imageId}?${query.toString()}`;
  }

  /** True when the signature is ours and has not expired. Takes the same time for every wrong one. */
  verify(what: Signed, signature: string, nowMs: number): boolean {
    const given = Buffer.from(signature, 'base64url');
    const right = this.#signature(what);
    return given.length === right.length && timingSafeEqual(given, right) && nowMs < what.expiresAtMs;
  }

  #signature({ imageId, host, expiresAtMs }: Signed): Buffer {
    return createHmac('sha256', this.#key).update(JSON.stringify(['image-bytes', imageId, host, expiresAtMs])).digest();
  }
}
