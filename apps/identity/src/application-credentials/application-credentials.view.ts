import type { AccessRuleRow, CredentialRow } from './application-credentials.repository.js';

/** @param secret only in the answer that makes it. */
export const credentialView = (v3: string, row: CredentialRow, secret?: string) => ({
  id: row.id, name: row.name, description: row.description, project_id: row.projectId, user_id: row.userId,
  roles: row.roles, expires_at: row.expiresAt?.toISOString().replace(/Z$/, '000') ?? null, unrestricted: row.unrestricted, system: null,
  ...(row.accessRules.length > 0 && { access_rules: row.accessRules }),
  ...(secret !== undefined && { secret }),
  links: { self: `${v3}/users/${row.userId}/application_credentials/${row.id}` },
});

export const accessRuleView = (v3: string, userId: string, { id, service, method, path }: AccessRuleRow) =>
  ({ id, service, method, path, links: { self: `${v3}/users/${userId}/access_rules/${id}` } });
