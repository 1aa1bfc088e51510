/**
 * Makes whoever fails to log in wait, longer with every failure: per account and address, per address whatever the accounts,
 * and, after many more, per account whatever the addresses. That last wait does not hold for addresses from which the account
 * logged in lately: strangers who guess cannot keep its owner out. An account that does not exist waits as one that does.
 * Nobody is locked out for good: the longest wait is bounded, and what is tried while it lasts is neither looked at nor
 * counted. Counts live in the database, so that all processes share them.
 */
import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import { SkyError } from '#libs/errors';
import { DEFAULT_LOGIN_RULES, IDENTITY_CONFIG, type IdentityConfig, type LoginRules } from '../identity.config.js';
import { LIMITS } from '../limits.js';
import { LoginsRepository } from './logins.repository.js';

/** The account that somebody says they are. */
export interface LoginSubject { readonly text: string; readonly exempt: boolean }

interface UserRef { id?: string | undefined; name?: string | undefined; domain?: { id?: string | undefined; name?: string | undefined } | undefined }

/** What is remembered when a login is let through. */
export interface Admission { failures: number; /** Days since the account logged in from this address; null: it did not lately. */ knownForDays: number | null }

@Injectable()
export class Logins {
  private readonly rules: LoginRules;
  /** Who failed here; the latest last. */
  private readonly suspects = new Set<string>();

  constructor(private readonly repository: LoginsRepository, @Inject(IDENTITY_CONFIG) config: IdentityConfig) {
    this.rules = config.logins ?? DEFAULT_LOGIN_RULES;
  }

  /**
   * @param id of the user who was found, by whatever name; null: there is none, and what was given stands for it.
   * @param domainId of the domain that was named: a nobody is the same by its domain's id and name, as somebody is.
   * @param exempt Keystone's option ignore_lockout_failure_attempts.
   */
  static subjectOf(id: string | null, ref: UserRef, domainId: string | null, exempt = false): LoginSubject {
    if (id !== null) return { text: `=${id}`, exempt };
    // An id decides alone, whatever name stands beside it.
    if (ref.id !== undefined) return { text: `=${ref.id}`, exempt };
    return { text: `?${JSON.stringify([domainId, domainId === null ? (ref.domain?.id ?? null) : null, domainId === null && ref.domain?.id === undefined ? (ref.domain?.name ?? null) : null, ref.name ?? null])}`, exempt };
  }

  /** @param id of the credential that was found or named; null: none was found by the owner and the name. */
  static subjectOfCredential(id: string | null, owner: LoginSubject | null, name: string | undefined): LoginSubject {
    return { text: `application-credential/${id ?? JSON.stringify([owner?.text ?? null, name ?? null])}`, exempt: false };
  }

  /**
   * Before a password is looked at: where this process knows of failures, nobody who has to wait costs a hash. Of all others
   * the answer decides that `admit` gives before the result is told; so whoever never fails is not kept waiting by the question.
   * @throws as `admit` does.
   */
  async admitEarly(subject: LoginSubject, address: string): Promise<void> {
    const { known: _, ...counted } = keysOf(subject, address);
    if (Object.values(counted).some((key) => this.suspects.has(key))) await this.admit(subject, address);
  }

  /**
   * Before a result is told.
   * @throws SkyError `too-many-requests` with how long to wait.
   */
  async admit(subject: LoginSubject, address: string): Promise<Admission> {
    const keys = keysOf(subject, address);
    const remembered = await this.repository.look(Object.values(keys), this.rules.forgetS);
    const known = remembered.get(keys.known);
    const waits = this.counted(keys, subject, known !== undefined).map((it) => remembered.get(it.subject)?.waitS ?? 0);
    const waitS = Math.max(0, ...waits);
    if (waitS > 0) {
      this.suspect(keys);
      throw new SkyError('too-many-requests', 'Too many failed logins. Wait before the next one.', { retryAfterS: Math.ceil(waitS), internal: 'too many failed logins' });
    }
    return { failures: remembered.get(keys.pair)?.failures ?? 0, knownForDays: known === undefined ? null : known.ageS / 86_400 };
  }

  /** Counts it. @throws SkyError `too-many-requests` when so many failed at once that this one is not to hear that it did. */
  async failed(subject: LoginSubject, address: string, { knownForDays }: Admission): Promise<void> {
    const keys = keysOf(subject, address);
    this.suspect(keys);
    const counted = this.counted(keys, subject, knownForDays !== null);
    if (counted.length > 0 && !await this.repository.count(counted, this.rules)) await this.admit(subject, address);
  }

  /**
   * The account's failures from this address are forgotten, and the address is one from which it logs in; the address' own
   * are not, or one good account would buy guesses at all others.
   */
  async succeeded(subject: LoginSubject, address: string, { failures, knownForDays }: Admission): Promise<void> {
    const keys = keysOf(subject, address);
    if (failures > 0) await this.repository.forget(keys.pair);
    if (knownForDays === null || knownForDays > LIMITS.knownAddressRenewDays) await this.repository.know(keys.known);
  }

  purge(): Promise<void> { return this.repository.purge(this.rules.forgetS); }

  private suspect({ known: _, ...counted }: Keys): void {
    for (const key of Object.values(counted)) {
      this.suspects.delete(key);
      this.suspects.add(key);
      const oldest = this.suspects.values().next();
      if (this.suspects.size > LIMITS.suspectsRemembered && !oldest.done) this.suspects.delete(oldest.value);
    }
  }

  /** What this login's failure counts for, with the failures that are free. */
  private counted(keys: Keys, { exempt }: LoginSubject, known: boolean): { subject: string; free: number }[] {
    const { accountFailures, everywhereFailures, addressFailures } = this.rules;
    return [
      { subject: keys.pair, free: exempt ? 0 : accountFailures },
      { subject: keys.account, free: exempt || known || accountFailures === 0 ? 0 : everywhereFailures },
      ...(keys.address === undefined ? [] : [{ subject: keys.address, free: addressFailures }]),
    ].filter(({ free }) => free > 0);
  }
}

/** `address` is left out for loopback, which says nothing of who it is: a proxy on this machine, or the operator. */
interface Keys { pair: string; account: string; known: string; address?: string }

const LOOPBACK = /^(127\.|::1$)/;
function keysOf({ text }: LoginSubject, address: string): Keys {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').split('%', 1)[0] ?? '';
  const from = LOOPBACK.test(plain) || plain === '' ? 'loopback' : networkOf(plain);
  const [account, pair] = [hashOf(text), hashOf(`${text}\n${from}`)];
  return { pair: `pair/${pair}`, account: `account/${account}`, known: `known/${pair}`, ...(from !== 'loopback' && { address: `address/${from}` }) };
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('base64url');

/** One network of one customer: whoever has an IPv6 address has 2^64 of them. */
function networkOf(plain: string): string {
  if (!isIPv6(plain)) return plain.slice(0, 64);
  const [head = '', tail] = plain.split('::', 2);
  const groups = head.split(':').filter(Boolean);
  const rest = (tail ?? '').split(':').filter(Boolean);
  const full = tail === undefined ? groups : [...groups, ...Array<string>(Math.max(0, 8 - groups.length - rest.length)).fill('0'), ...rest];
  return `${full.slice(0, 4).map((group) => parseInt(group, 16).toString(16)).join(':')}::/64`;
}
