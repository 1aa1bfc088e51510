import type { Strategy } from 'passport';
import CustomStrategy from 'passport-custom';
import { REAUTHENTICATE } from '#libs/auth';
import { unauthorized, type SkyError } from '#libs/errors';
import type { ParentToken, UsedCredential } from '../../decide/grant-token.js';
import type { Account } from '../accounts.repository.js';

/**
 * What a way of proving oneself gets to see: the whole body (each method has its own part in it) and where it came from.
 * `claimed`: each method adds who they say they are and turn out to be, for the record when it fails.
 */
export interface Attempt {
  body: unknown; address: string; requestId: string; headers: Record<string, string | string[] | undefined>;
  claimed: { userId?: string; userName?: string; applicationCredentialId?: string };
  /** For a method that takes long: whom it will prove, or that there is nobody, so that what else is asked for is asked meanwhile. */
  expect?: (account: Account | null) => void;
}

/** Why stays inside: to the client all failures are one. */
export const notProven = (internal: string): SkyError => unauthorized(REAUTHENTICATE, { internal });

/** Who it turned out to be. `parent`: the token that it was proved with; `credential`: the application credential, and its one project. */
export interface Proven { account: Account; parent: ParentToken | null; credential?: UsedCredential & { projectId: string } }

/**
 * One way to authenticate: a Passport strategy under the name that `auth.identity.methods` calls it by.
 * This is where OpenID Connect and LDAP plug in: one more entry in AUTH_METHODS.
 */
export interface AuthMethod { readonly method: string; readonly strategy: Strategy }

/** Injection token: all AuthMethods that are offered. */
export const AUTH_METHODS = Symbol('AUTH_METHODS');

/** A Passport strategy from an async function: `null` is a refusal, anything thrown an error. */
export const strategyOf = (prove: (attempt: Attempt) => Promise<Proven | null>): Strategy => new CustomStrategy((request, done) => {
  // Its types are Express'; the strategy only passes on what runStrategy gave it.
  prove(request as unknown as Attempt).then((proven) => done(null, proven ?? false), (error: unknown) => done(error));
});

/**
 * Runs one strategy by Passport's own contract (success, fail, error, pass), without its process-wide registry: two
 * applications in one process must not share their strategies.
 */
export function runStrategy(strategy: Strategy, attempt: Attempt): Promise<Proven> {
  return new Promise((resolve, reject) => {
    const refused = (): void => reject(notProven('the method failed'));
    // One object per run, as Passport does it: the strategy itself is shared by all requests.
    const running = Object.create(strategy) as { authenticate(attempt: Attempt): void };
    Object.assign(running, { success: resolve, fail: refused, pass: refused, redirect: refused, error: reject });
    running.authenticate(attempt);
  });
}
