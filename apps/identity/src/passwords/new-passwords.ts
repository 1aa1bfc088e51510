import { Inject, Injectable } from '@nestjs/common';
import { badRequest } from '#libs/errors';
import { brokenRule } from '../decide/password-rules.js';
import { DEFAULT_PASSWORD_RULES, IDENTITY_CONFIG, type IdentityConfig, type PasswordRules } from '../identity.config.js';
import { LIMITS } from '../limits.js';
import { PasswordHasher } from './password-hasher.js';

export interface NewPasswordFacts {
  userName: string;
  /** Hashes of passwords that the user has had, the latest first, with the present one. */
  history: readonly string[];
  /** Users change their own passwords under more rules than admins do. */
  byOwner: boolean;
  /** The user's options. */
  options: Readonly<Record<string, unknown>>;
  /** When the present one was set. */
  changedAt?: Date | undefined;
}

/** What to store; `password_history` becomes the present hash and what follows it, cut to `historyKept`. */
export interface NewPassword { hash: string; expiresAt: Date | null; mustChange: boolean; historyKept: number }

/** Is this a password that the user may have? Hashes it; do it before the transaction, for it takes as long as a login. */
@Injectable()
export class NewPasswords {
  private readonly rules: PasswordRules;

  constructor(private readonly hasher: PasswordHasher, @Inject(IDENTITY_CONFIG) config: IdentityConfig) {
    this.rules = config.passwords ?? DEFAULT_PASSWORD_RULES;
  }

  /** @throws SkyError `bad-request` with the rule that it breaks. */
  async prepare(password: string, { userName, history, byOwner, options, changedAt }: NewPasswordFacts): Promise<NewPassword> {
    const now = Date.now();
    const broken = brokenRule(password, this.rules, userName) ?? (byOwner ? this.tooYoung(changedAt, options, now) : undefined);
    if (broken !== undefined) throw badRequest(broken);
    // An admin who sets one knows nothing of the old ones, and must not learn of them.
    if (byOwner) {
      for (const old of history.slice(0, Math.min(this.rules.history, LIMITS.passwordHistory))) {
        if (await this.hasher.matches(old, password)) throw badRequest(`The new password cannot be identical to a previous password. The total number which includes the new password must be unique is ${this.rules.history}.`);
      }
    }
    const expires = this.rules.expiryDays > 0 && options['ignore_password_expiry'] !== true;
    return {
      hash: await this.hasher.hash(password),
      expiresAt: expires ? new Date(now + this.rules.expiryDays * 86_400_000) : null,
      mustChange: !byOwner && this.rules.changeAtFirstUse && options['ignore_change_password_upon_first_use'] !== true,
      // The present one is compared too and is kept elsewhere.
      historyKept: Math.max(0, Math.min(this.rules.history, LIMITS.passwordHistory) - 1),
    };
  }

  private tooYoung(changedAt: Date | undefined, options: Readonly<Record<string, unknown>>, now: number): string | undefined {
    const until = (changedAt?.getTime() ?? 0) + this.rules.minAgeDays * 86_400_000;
    if (this.rules.minAgeDays === 0 || changedAt === undefined || until <= now || options['ignore_password_expiry'] === true) return undefined;
    return `Cannot change password before minimum age of ${this.rules.minAgeDays} day(s) is met. Password can be changed from ${new Date(until).toISOString()} on.`;
  }
}
