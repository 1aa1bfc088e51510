import { z } from 'zod';
import { FlavorSortKey } from '#libs/contracts';
import { has, pythonRepr } from '#libs/openstack';
import { description, flag, integer, many, name, nonNegative, oneOf } from '../../http/input-types.js';
import { versioned } from '../../http/read-input.js';
import { LIMITS } from '../../limits.js';

export const ListFlavorsQuery = z.object({
  limit: nonNegative, marker: many, is_public: many, minRam: many, minDisk: many, sort_key: z.array(FlavorSortKey), sort_dir: oneOf(['asc', 'desc']),
}).partial();

const factor = z.union([z.number().positive(), z.string().regex(/^[0-9]+(\.[0-9]+)?$/)]).transform(Number)
  .refine((value) => value > 0, { error: (issue) => `${pythonRepr(issue.input)} is less than or equal to the minimum of 0` })
  .refine((value) => value === 0 || value >= LIMITS.rxtxFactorMin, { error: (issue) => `${pythonRepr(issue.input)} is less than the minimum of ${LIMITS.rxtxFactorMin}` })
  .refine((value) => value <= LIMITS.rxtxFactorMax, { error: (issue) => `${pythonRepr(issue.input)} is greater than the maximum of ${LIMITS.rxtxFactorMax}` });

const about = description(65_535);

export const CreateFlavorBody = versioned((version) => z.strictObject({
  flavor: z.strictObject({
    name,
    /** Left out, null: one is made. */
    id: z.union([z.string().min(1).max(255).regex(/^(?! )[a-zA-Z0-9. _-]+(?<! )$/), z.number(), z.null()]).optional(),
    ram: integer(1), vcpus: integer(1), disk: integer(0),
    'OS-FLV-EXT-DATA:ephemeral': integer(0).optional(), swap: integer(0).optional(), rxtx_factor: factor.optional(), 'os-flavor-access:is_public': flag.optional(),
    ...(has(version, 'flavor.description') && { description: about.optional() }),
  }),
}));
export type CreateFlavorBody = z.output<ReturnType<typeof CreateFlavorBody>>;

export const UpdateFlavorBody = z.strictObject({ flavor: z.strictObject({ description: about }) });

/** Numbers are kept as their digits. */
const extraSpecs = z.record(z.string().regex(/^[a-zA-Z0-9-_:. ]{1,255}$/), z.union([z.string().max(255), z.number()]));
export const ExtraSpecsBody = z.strictObject({ extra_specs: extraSpecs });
export const ExtraSpecBody = extraSpecs
  .refine((specs) => Object.keys(specs).length > 0, { error: (issue) => `${pythonRepr(issue.input)} does not have enough properties` })
  .refine((specs) => Object.keys(specs).length < 2, { error: (issue) => `${pythonRepr(issue.input)} has too many properties` });

const tenant = z.strictObject({ tenant: z.string().min(1).max(255) });
export const AddTenantAccessBody = z.strictObject({ addTenantAccess: tenant });
export const RemoveTenantAccessBody = z.strictObject({ removeTenantAccess: tenant });
export const FlavorActionBody = z.union([AddTenantAccessBody, RemoveTenantAccessBody]);
