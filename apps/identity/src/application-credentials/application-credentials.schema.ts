import { z } from 'zod';
import { bodyFlag, description, entityName, idText } from '../http/body.js';
import { flag, paging } from '../http/queries.js';
import { name } from '../http/text.js';
import { LIMITS } from '../limits.js';

const RoleRef = z.object({ id: idText.optional(), name: name.min(1).optional() }).refine((role) => role.id !== undefined || role.name !== undefined, 'A role is named by its id or its name.');

const Rule = z.strictObject({
  service: name.min(1), method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']),
  path: name.min(1).max(LIMITS.accessPathChars).regex(/^\//, 'A path begins with a slash.'),
});
/** A rule in full, or one that the user has already. */
const RuleRef = z.union([z.strictObject({ id: idText }), Rule.extend({ id: idText.optional() })]);

/** Attributes that nobody knows are left aside, as Keystone does here. */
export const CreateCredentialBody = z.object({
  application_credential: z.object({
    name: entityName(LIMITS.nameChars),
    description: description.optional(),
    secret: z.string().max(LIMITS.secretChars).nullable().optional(),
    expires_at: z.string().max(64).nullable().optional(),
    roles: z.array(RoleRef).max(LIMITS.rolesPerCredential).optional(),
    unrestricted: bodyFlag.nullable().optional(),
    access_rules: z.array(RuleRef).max(LIMITS.accessRulesPerCredential).optional(),
  }),
});
export type CreateCredentialBody = z.output<typeof CreateCredentialBody>;
export type RuleRef = z.output<typeof RuleRef>;

export const CredentialsQuery = z.object({ name: name.optional(), enabled: flag.optional(), ...paging });
export type CredentialsQuery = z.output<typeof CredentialsQuery>;
export const AccessRulesQuery = z.object({ service: name.optional(), method: name.optional(), path: name.optional(), ...paging });
export type AccessRulesQuery = z.output<typeof AccessRulesQuery>;
