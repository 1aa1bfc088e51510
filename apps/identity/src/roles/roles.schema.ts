import { z } from 'zod';
import { bodyFlag, description, entityName } from '../http/body.js';
import { flag, inexactName, paging, sortedBy } from '../http/queries.js';
import { name } from '../http/text.js';

/** Further attributes are kept with the role, as Keystone does. */
const properties = {
  name: entityName(255), description: description.optional(), domain_id: name.min(1).nullable().optional(),
  options: z.strictObject({ immutable: bodyFlag.nullable().optional() }).optional(),
};

export const CreateRoleBody = z.strictObject({ role: z.looseObject(properties) });
export type CreateRoleBody = z.output<typeof CreateRoleBody>;

export const UpdateRoleBody = z.strictObject({
  role: z.looseObject({ ...properties, name: properties.name.optional() }).refine((it) => Object.keys(it).length > 0, '{} does not have enough properties'),
});
export type UpdateRoleBody = z.output<typeof UpdateRoleBody>;

export const RolesQuery = z.object({ name: name.optional(), ...inexactName, domain_id: name.optional(), enabled: flag.optional(), ...paging, ...sortedBy('id', 'name') });
export type RolesQuery = z.output<typeof RolesQuery>;

/** Attributes with a column of their own. */
export const ROLE_KEYS = Object.keys(properties);
