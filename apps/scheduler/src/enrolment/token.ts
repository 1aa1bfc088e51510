import { createHash, randomBytes } from 'node:crypto';

/** 256 random bits; the prefix lets secret scanners and people know what it is. */
export const newToken = (): string => `skyenrol_${randomBytes(32).toString('base64url')}`;

/** All that is stored. A random 256-bit secret needs no slow hash. */
export const hashToken = (token: string): string => createHash('sha256').update(token).digest('hex');
