/**
 * Makes whoever fails to log in wait, longer with every failure: per account, and per address whatever the accounts. An
 * account that does not exist waits as one that does. Nobody is locked out for good: the longest wait is bounded, and what is
 * tried while it lasts is neither looked at nor counted. Counts live in the database, so that all processes share them.
 */
import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import type { AuditActor } from '#libs/audit';
import { SkyError } from '#libs/errors';
import { DEFAULT_LOGIN_RULES, IDENTITY_CONFIG, type IdentityConfig, type LoginRules } from '../identity.config.js';
import { LoginsRepository } from './logins.repository.js';

/** The account that somebody says they are. */
export interface LoginSubject { readonly key: string; readonly exempt: boolean }

interface SubjectRef { id?: string | undefined; name?: string | undefined; domain?: { id?: string | undefined; name?: string | undefined } | undefined }

@Injectable()
export class Logins {
  private readonly rules: LoginRules;

  constructor(private readonly repository: LoginsRepository, @Inject(IDENTITY_CONFIG) config: IdentityConfig) {
    this.rules = config.logins ?? DEFAULT_LOGIN_RULES;
  }

  /**
   * @param id of the account that was found, by whatever name; null: there is none, and what was given stands for it.
   * @param exempt Keystone's option ignore_lockout_failure_attempts.
   */
  static subjectOf(id: string | null, ref: SubjectRef, exempt = false): LoginSubject {
    const text = id === null ? `?${JSON.stringify([ref.id ?? null, ref.name ?? null, ref.domain?.id ?? null, ref.domain?.name ?? null])}` : `=${id}`;
    return { key: `account/${createHash('sha256').update(text).digest('base64url')}`, exempt };
  }

  /**
   * Before a password is looked at, and again before its result is told.
   * @returns failures of this account that are remembered. @throws SkyError `too-many-requests` with how long to wait.
   */
  async admit(subject: LoginSubject, address: string): Promise<number> {
    const known = await this.repository.look(keysOf(subject, address), this.rules.forgetS);
    const waits = [...known].filter(([key]) => this.freeOf(key, subject) > 0).map(([, { waitS }]) => waitS);
    const waitS = Math.max(0, ...waits);
    if (waitS > 0) {
      throw new SkyError('too-many-requests', 'Too many failed logins. Wait before the next one.', { retryAfterS: Math.ceil(waitS), internal: `logins of ${subject.key} from ${address} wait` });
    }
    return known.get(subject.key)?.failures ?? 0;
  }

  /**
   * Counts it and writes it down.
   * @param why for operators only. @throws SkyError `too-many-requests` when so many failed at once that this one is not to hear that it did.
   */
  async failed(subject: LoginSubject, actor: AuditActor, why: string): Promise<void> {
    const counted = keysOf(subject, actor.address ?? '').map((key) => ({ subject: key, free: this.freeOf(key, subject) })).filter(({ free }) => free > 0);
    if (!await this.repository.count(counted, this.rules, actor, why)) await this.admit(subject, actor.address ?? '');
  }

  /** The account's failures are forgotten; its address' are not, or one good account would buy guesses at all others. */
  async succeeded(subject: LoginSubject): Promise<void> {
    await this.repository.forget(subject.key);
  }

  purge(): Promise<void> { return this.repository.purge(this.rules.forgetS); }

  private freeOf(key: string, subject: LoginSubject): number {
    if (key.startsWith('address/')) return this.rules.addressFailures;
    return subject.exempt ? 0 : this.rules.accountFailures;
  }
}

/** A loopback address says nothing of who it is: a proxy on this machine, or the operator. */
const LOOPBACK = /^(127\.|::1$)/;
const keysOf = (subject: LoginSubject, address: string): string[] => {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').split('%', 1)[0] ?? '';
  return LOOPBACK.test(plain) || plain === '' ? [subject.key] : [subject.key, addressKey(plain)];
};

/** One network of one customer: whoever has an IPv6 address has 2^64 of them. */
function addressKey(plain: string): string {
  if (!isIPv6(plain)) return `address/${plain.slice(0, 64)}`;
  const [head = '', tail] = plain.split('::', 2);
  const groups = head.split(':').filter(Boolean);
  const rest = (tail ?? '').split(':').filter(Boolean);
  const full = tail === undefined ? groups : [...groups, ...Array<string>(Math.max(0, 8 - groups.length - rest.length)).fill('0'), ...rest];
  return `address/${full.slice(0, 4).map((group) => parseInt(group, 16).toString(16)).join(':')}::/64`;
}
