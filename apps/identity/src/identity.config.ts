import type { Database } from '#libs/db';
import type { Bus } from '#libs/messaging';
import type { Logger } from '#libs/observability';

export interface IdentityConfig {
  /** Absolute base URL in links and the catalog; absent: what each request itself came by. */
  publicUrl?: string;
  /** The one region of the catalog. */
  region: string;
  /** Seconds a token lives. */
  tokenTtlS: number;
  /** Seconds for which a token that has ended is still told of to services that ask for it so; absent: ALLOW_EXPIRED_S. 0: never. */
  allowExpiredS?: number;
  /** Days for which the audit trail is kept, in whole months; absent: LIMITS.auditKeepDays. */
  auditKeepDays?: number;
  /** 32 bytes in hex that seal stored credentials; whoever loses it loses them. Absent: none can be kept. */
  credentialKey?: string;
  /** Keys that did so before: what was sealed with one is still opened, and sealed anew when it is changed. */
  oldCredentialKeys?: readonly string[] | undefined;
  /** Absent: DEFAULT_LOGIN_RULES. */
  logins?: LoginRules;
  /** Absent: DEFAULT_PASSWORD_RULES. */
  passwords?: PasswordRules;
}

/** How failed logins make one wait. The wait doubles with every further failure. */
export interface LoginRules {
  /** Failures of one account from one address (IPv6: one /64) before that address has to wait for it; 0: accounts never have to wait. */
  accountFailures: number;
  /** Failures of one account from all addresses, before those from which it did not log in lately have to wait; 0: never. */
  everywhereFailures: number;
  /** Failures from one address (IPv6: one /64), whatever the accounts; 0: never. */
  addressFailures: number;
  /** The first wait and the longest, in seconds. */
  delayS: number;
  longestDelayS: number;
  /** Seconds after the last failure in which it is forgotten. */
  forgetS: number;
}

/** Passwords that users may have. Zeros: no such rule. */
export interface PasswordRules {
  minLength: number;
  /** Of: lower case letters, upper case letters, digits, others. */
  minKinds: number;
  /** Earlier passwords that may not be used again. */
  history: number;
  /** Days after which a password must be changed. */
  expiryDays: number;
  /** Days for which users must keep a new one, so that they cannot run through the history. */
  minAgeDays: number;
  /** Must a password that an admin has set be changed by its user first? */
  changeAtFirstUse: boolean;
}

/** Keystone's own: long enough for the longest work that somebody begins. */
export const ALLOW_EXPIRED_S = 172_800;

export const DEFAULT_LOGIN_RULES: LoginRules = { accountFailures: 5, everywhereFailures: 100, addressFailures: 50, delayS: 1, longestDelayS: 300, forgetS: 900 };
export const DEFAULT_PASSWORD_RULES: PasswordRules = { minLength: 8, minKinds: 0, history: 0, expiryDays: 0, minAgeDays: 0, changeAtFirstUse: false };

/** What the process gives to identity's applications; the HTTP and the bus application share it. */
export interface IdentityDeps { bus: Bus; db: Database; config: IdentityConfig; logger: Logger }

/** Injection token of IdentityConfig. */
export const IDENTITY_CONFIG = Symbol('IDENTITY_CONFIG');
