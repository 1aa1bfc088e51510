/**
 * Who calls, and what they may do: signed tokens and their local verification, the caller of a request, the one
 * policy table of Skylite, and the guards that apply both to every HTTP route.
 *
 * Never asks anybody about a single token: a token carries everything, and the public keys are fetched once and kept.
 * Never decides ownership: the service that owns a thing compares its project or user with the caller's.
 * Holds no state worth keeping: after a crash the keys are fetched again and tokens are verified anew.
 */
export { AuthModule, type AuthOptions } from './auth.module.js';
export { CallerParam, Policy, TokenParam, POLICY_METADATA, policyOf, type AuthenticatedRequest } from './decorators.js';
export { PolicyGuard } from './policy.guard.js';
export { POLICY_TABLE, allows, enforce, type PolicyRule } from './policy-table.js';
export { assertEveryRouteHasPolicy, listRoutes, type RouteEntry } from './routes.js';
export { TOKEN_LIMITS } from './limits.js';
export { REAUTHENTICATE, TokenGuard } from './token.guard.js';
export { callerOf, TokenVerifier, type VerifiedToken } from './token-verifier.js';
export {
  importPublicKey, isKeyOf, makeSigningKey, signToken, signingKeyFromJwk, verifyToken,
  type PublicTokenKey, type SigningJwk, type SigningKey, type TokenClaims, type TokenKeyLookup, type TokenRefusal,
} from './token.js';
