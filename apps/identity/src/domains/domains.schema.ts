import { z } from 'zod';
import { bodyFlag, description, entityName, ProtectOptions, Tags } from '../http/body.js';
import { flag, inexactName, paging, sortedBy } from '../http/queries.js';
import { name } from '../http/text.js';

/** Attributes that we know none of are refused: a domain keeps nothing more. */
const properties = { name: entityName(64), description: description.optional(), enabled: bodyFlag.optional(), options: ProtectOptions.optional(), tags: Tags.optional() };

export const CreateDomainBody = z.strictObject({
  domain: z.strictObject({
    ...properties,
    /** For clouds that share their domains' ids with another. */
    explicit_domain_id: z.string().regex(/^[0-9a-f]{32}$/, 'Domain ID does not conform to required UUID format.').optional(),
  }),
});
export type CreateDomainBody = z.output<typeof CreateDomainBody>;

export const UpdateDomainBody = z.strictObject({
  domain: z.strictObject({ ...properties, name: properties.name.optional(), id: z.string().optional(), links: z.unknown().optional() }).refine((it) => Object.keys(it).length > 0, '{} does not have enough properties'),
});
export type UpdateDomainBody = z.output<typeof UpdateDomainBody>;

export const DomainsQuery = z.object({ name: name.optional(), ...inexactName, enabled: flag.optional(), ...paging, ...sortedBy('id', 'name', 'enabled') });
export type DomainsQuery = z.output<typeof DomainsQuery>;
