// The errors this library throws. Callers branch on the class, and for LibvirtError on `codeName`.
import { ERROR_NAMES, ERROR_LEVELS, type ErrorName } from './facts.js';

/** The other side sent bytes that break the protocol. The link that saw it is closed. */
export class LibvirtProtocolError extends Error {
  override readonly name = 'LibvirtProtocolError';
}

/** A value handed to a call cannot be put on the wire (too long, out of range, NUL in a string). Nothing was sent. */
export class LibvirtArgumentError extends Error {
  override readonly name = 'LibvirtArgumentError';
}

/**
 * There is no usable connection. `outcome` says what is known of the call: `not-sent` (it had no effect) or `unknown`
 * (it was sent, the answer is lost; observe before acting again).
 */
export class LibvirtUnavailable extends Error {
  override readonly name = 'LibvirtUnavailable';
  constructor(
    message: string,
    readonly outcome: 'not-sent' | 'unknown' = 'not-sent',
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The call's deadline passed. `outcome` as in LibvirtUnavailable: a call that was sent may still take effect later. */
export class LibvirtTimeout extends Error {
  override readonly name = 'LibvirtTimeout';
  constructor(
    readonly procedure: string,
    readonly timeoutMs: number,
    readonly outcome: 'not-sent' | 'unknown',
  ) {
    super(`libvirt did not answer ${procedure} within ${timeoutMs} ms` + (outcome === 'not-sent' ? ' (it was still waiting to be sent)' : ''));
  }
}

/** Too many calls wait on this link already. Nothing was sent. */
export class LibvirtBusy extends Error {
  override readonly name = 'LibvirtBusy';
}

export type LibvirtErrorLevel = (typeof ERROR_LEVELS)[number] | 'unknown';

/** libvirt's own refusal, as decoded from the wire. */
export class LibvirtError extends Error {
  override readonly name = 'LibvirtError';
  /** libvirt's name of the code without its prefix ("NO_DOMAIN"), or `UNKNOWN` for a code newer than our table. */
  readonly codeName: ErrorName | 'UNKNOWN';
  readonly level: LibvirtErrorLevel;

  /**
   * @param code libvirt's error number (42 = NO_DOMAIN)
   * @param domain the number of the libvirt part that raised it (10 = QEMU)
   * @param procedure the call that was refused, where known
   */
  constructor(
    readonly code: number,
    message: string,
    readonly domain = 0,
    level = 2,
    readonly procedure?: string,
  ) {
    super(message);
    this.codeName = ERROR_NAMES[code] ?? 'UNKNOWN';
    this.level = ERROR_LEVELS[level] ?? 'unknown';
  }
}

/** True when `error` is libvirt's refusal with one of these names. */
export function isLibvirtError(error: unknown, ...names: ErrorName[]): error is LibvirtError {
  return error instanceof LibvirtError && (names.length === 0 || names.includes(error.codeName as ErrorName));
}
