import { z } from 'zod';
import { description, entityName, idText } from '../http/body.js';
import { inexactName, paging, sortedBy } from '../http/queries.js';
import { name } from '../http/text.js';

const properties = { name: entityName(255), description: description.optional(), domain_id: idText.optional() };

/** Attributes of a group that we know; whatever else a client gives is kept beside them. */
export const GROUP_KEYS = Object.keys(properties);

export const CreateGroupBody = z.strictObject({ group: z.looseObject(properties) });
export type CreateGroupBody = z.output<typeof CreateGroupBody>;
export const UpdateGroupBody = z.strictObject({ group: z.looseObject({ ...properties, name: properties.name.optional() }).refine((it) => Object.keys(it).length > 0, '{} does not have enough properties') });
export type UpdateGroupBody = z.output<typeof UpdateGroupBody>;

export const GroupsQuery = z.object({ name: name.optional(), ...inexactName, domain_id: name.optional(), ...paging, ...sortedBy('id', 'name', 'domain_id') });
export type GroupsQuery = z.output<typeof GroupsQuery>;
