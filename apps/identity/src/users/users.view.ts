import type { UserRow } from './users.repository.js';

/** What a user does not have is left out, as Keystone does. */
export const userView = (v3: string, user: UserRow) => ({
  ...user.extra,
  ...(user.email !== null && { email: user.email }),
  ...(user.description !== null && { description: user.description }),
  id: user.id, name: user.name, domain_id: user.domainId, enabled: user.enabled,
  ...(user.defaultProjectId !== null && { default_project_id: user.defaultProjectId }),
  password_expires_at: user.passwordExpiresAt?.toISOString().replace(/Z$/, '000Z') ?? null,
  options: user.options,
  links: { self: `${v3}/users/${user.id}` },
});
