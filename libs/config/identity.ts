import { z } from 'zod';
import type { Env } from './env.js';
import { readEnv } from './env.js';

const count = (max: number) => z.coerce.number().int().min(0).max(max);

/** How identity treats logins and passwords. */
const shape = {
  /** Failed logins of one account from one address before that address has to wait; 0: accounts never have to. */
  SKYLITE_IDENTITY_LOCKOUT_FAILURES: count(1_000).default(5),
  /** Failed logins of one account from all addresses before those where it is not known have to wait; 0: they never have to. */
  SKYLITE_IDENTITY_LOCKOUT_EVERYWHERE_FAILURES: count(1_000_000).default(100),
  /** The same of one address (IPv6: one /64), whatever the accounts: more of them where many people come from one address. */
  SKYLITE_IDENTITY_LOCKOUT_ADDRESS_FAILURES: count(1_000_000).default(50),
  /** The first wait, doubled by each further failure, and the longest one. */
  SKYLITE_IDENTITY_LOCKOUT_DELAY_S: z.coerce.number().min(0.1).max(3_600).default(1),
  SKYLITE_IDENTITY_LOCKOUT_LONGEST_S: z.coerce.number().min(1).max(86_400).default(300),
  /** Failures are forgotten that long after the last one. */
  SKYLITE_IDENTITY_LOCKOUT_FORGET_S: z.coerce.number().int().min(60).max(604_800).default(900),
  /** Seconds for which a token that has ended is still told of to services that ask with allow_expired; 0: never. */
  SKYLITE_IDENTITY_ALLOW_EXPIRED_S: count(604_800).default(172_800),
  SKYLITE_IDENTITY_PASSWORD_MIN_LENGTH: count(128).default(8),
  /** How many of: lower case, upper case, digits, others. */
  SKYLITE_IDENTITY_PASSWORD_MIN_KINDS: count(4).default(0),
  /** Passwords that a user may not use again, the present one among them. */
  SKYLITE_IDENTITY_PASSWORD_HISTORY: count(10).default(0),
  /** Days after which a password has to be changed; 0: never. */
  SKYLITE_IDENTITY_PASSWORD_EXPIRES_DAYS: count(3_650).default(0),
  /** Days for which users keep a new password. */
  SKYLITE_IDENTITY_PASSWORD_MIN_AGE_DAYS: count(365).default(0),
  /** Must a password that an admin has set be changed by its user before anything else? */
  SKYLITE_IDENTITY_PASSWORD_CHANGE_FIRST: z.enum(['true', 'false']).default('false'),
};

export const IDENTITY_TUNABLES = shape;

export function loadIdentityConfig(env: Env = process.env) {
  const values = readEnv(shape, env);
  return {
    allowExpiredS: values.SKYLITE_IDENTITY_ALLOW_EXPIRED_S,
    logins: {
      accountFailures: values.SKYLITE_IDENTITY_LOCKOUT_FAILURES, everywhereFailures: values.SKYLITE_IDENTITY_LOCKOUT_EVERYWHERE_FAILURES, addressFailures: values.SKYLITE_IDENTITY_LOCKOUT_ADDRESS_FAILURES,
      delayS: values.SKYLITE_IDENTITY_LOCKOUT_DELAY_S, longestDelayS: values.SKYLITE_IDENTITY_LOCKOUT_LONGEST_S, forgetS: values.SKYLITE_IDENTITY_LOCKOUT_FORGET_S,
    },
    passwords: {
      minLength: values.SKYLITE_IDENTITY_PASSWORD_MIN_LENGTH, minKinds: values.SKYLITE_IDENTITY_PASSWORD_MIN_KINDS, history: values.SKYLITE_IDENTITY_PASSWORD_HISTORY,
      expiryDays: values.SKYLITE_IDENTITY_PASSWORD_EXPIRES_DAYS, minAgeDays: values.SKYLITE_IDENTITY_PASSWORD_MIN_AGE_DAYS,
      changeAtFirstUse: values.SKYLITE_IDENTITY_PASSWORD_CHANGE_FIRST === 'true',
    },
  };
}
