/**
 * Who calls, and what they may do: signed tokens and their local verification, the caller of a request, the one
 * policy table of Skylite, and the guards that apply both to every HTTP route.
 *
 * Never asks anybody about a single token: a token carries everything; public keys and revocations come every second.
 * Never knows whose a thing is: the service that owns it says so when it asks the table (PolicyTarget).
 * Holds no state worth keeping: after a crash keys and revocations are fetched again and tokens are verified anew.
 */
export { AuthModule, type AuthOptions } from './auth.module.js';
export { CallerParam, Policy, TokenParam, POLICY_METADATA, policyOf, type AuthenticatedRequest } from './decorators.js';
export { PolicyGuard } from './policy.guard.js';
export { POLICY_TABLE, allows, enforce, isRule, mayTry, type PolicyRule } from './policy-table.js';
export { explainRule, type PolicyExplanation } from './policy/explain.js';
export { grantWords, ownOf, ROLES, SCOPES, scopeOf, unmet, type Grant, type PolicyTarget, type Rule, type RoleName, type Scope } from './policy/grants.js';
export { assertEveryRouteHasPolicy, listRoutes, type RouteEntry } from './routes.js';
export { TOKEN_LIMITS } from './limits.js';
export { REAUTHENTICATE, TokenGuard } from './token.guard.js';
export { AccessRuleBook } from './access-rule-book.js';
export { isAllowedByRules, matchesPath } from './access-rules.js';
export { LoginWatch, type Watched } from './login-watch.js';
export { RevocationList } from './revocation-list.js';
export { callerOf, TokenVerifier, type AskTrust, type Login, type VerifiedToken } from './token-verifier.js';
export {
  importPublicKey, isKeyOf, makeSigningKey, signToken, signingKeyFromJwk, verifyToken,
  type PublicTokenKey, type RevocableClaims, type SigningJwk, type SigningKey, type TokenClaims, type TokenKeyLookup, type TokenRefusal,
} from './token.js';
