import type { TokenClaims } from '#libs/auth';
import type { CatalogEntry } from '../catalog/catalog.js';

/** Keystone's time: microseconds and Z. */
const time = (seconds: number): string => new Date(seconds * 1_000).toISOString().replace(/\.\d{3}Z$/, '.000000Z');

type Claims = Omit<TokenClaims, 'issuer'>;

/**
 * The body of a token, from what the token itself says: issue and validation answer alike without asking the database.
 * @param catalog undefined: without (`?nocatalog`). Unscoped tokens never have one.
 */
export const tokenView = (claims: Readonly<Claims>, catalog: readonly CatalogEntry[] | undefined) => ({
  token: {
    methods: claims.methods,
    user: { domain: claims.user.domain, id: claims.user.id, name: claims.user.name, password_expires_at: claims.user.passwordExpiresAt },
    audit_ids: claims.parentAuditId === null ? [claims.auditId] : [claims.auditId, claims.parentAuditId],
    expires_at: time(claims.expiresAt),
    issued_at: time(claims.issuedAt),
    ...(claims.project !== null && {
      project: { domain: claims.project.domain, id: claims.project.id, name: claims.project.name },
      is_domain: false,
      roles: claims.roles,
      ...(catalog !== undefined && { catalog }),
    }),
  },
});
