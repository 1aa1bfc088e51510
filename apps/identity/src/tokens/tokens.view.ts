import type { TokenClaims } from '#libs/auth';
import type { AccessRule } from '#libs/contracts';
import type { CatalogEntry } from '../catalog/catalog.js';

/** Keystone's time: microseconds and Z. */
function time(seconds: number): string {
  const micros = Math.round((seconds % 1) * 1_000_000);
  return new Date(Math.floor(seconds) * 1_000).toISOString().replace(/\.\d{3}Z$/, `.${String(Math.min(micros, 999_999)).padStart(6, '0')}Z`);
}

type Claims = Omit<TokenClaims, 'issuer'>;

/**
 * The body of a token, from what the token itself says: issue and validation answer alike without asking the database.
 * @param catalog undefined: without (`?nocatalog`). Unscoped tokens never have one.
 * @param rules of its application credential, when it has any.
 */
export const tokenView = (claims: Readonly<Claims>, catalog: readonly CatalogEntry[] | undefined, rules?: readonly AccessRule[]) => ({
  token: {
    methods: claims.methods,
    user: { domain: claims.user.domain, id: claims.user.id, name: claims.user.name, password_expires_at: claims.user.passwordExpiresAt },
    audit_ids: claims.parentAuditId === null ? [claims.auditId] : [claims.auditId, claims.parentAuditId],
    expires_at: time(claims.expiresAt),
    issued_at: time(claims.issuedAt),
    ...(claims.project !== null && {
      project: { domain: claims.project.domain, id: claims.project.id, name: claims.project.name },
      is_domain: false,
    }),
    ...(claims.scopeDomain !== undefined && { domain: claims.scopeDomain }),
    ...(claims.system === true && { system: { all: true } }),
    ...(isScoped(claims) && { roles: claims.roles, ...(catalog !== undefined && { catalog }) }),
    ...(claims.applicationCredential !== undefined && {
      application_credential: {
        id: claims.applicationCredential.id, name: claims.applicationCredential.name, restricted: claims.applicationCredential.restricted,
        ...(rules !== undefined && { access_rules: rules }),
      },
    }),
  },
});

export const isScoped = (claims: Readonly<Claims>): boolean => claims.project !== null || claims.scopeDomain !== undefined || claims.system === true;
