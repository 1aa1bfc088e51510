import { z } from 'zod';
import { name } from '../../http/input-types.js';

/** A colon would part zone and host where a server asks for both. */
const zone = name.refine((text) => !text.includes(':'), { error: 'A zone has no colon in its name.' }).nullable();
const host = z.string().min(1).max(255).regex(/^[a-zA-Z0-9-._]*$/);

export const CreateAggregateBody = z.strictObject({ aggregate: z.strictObject({ name, availability_zone: zone.optional() }) });
export const UpdateAggregateBody = z.strictObject({
  aggregate: z.strictObject({ name: name.optional(), availability_zone: zone.optional() })
    .refine((asked) => asked.name !== undefined || asked.availability_zone !== undefined, { error: '{} is not valid under any of the given schemas' }),
});
export const AggregateActionBody = z.union([
  z.strictObject({ add_host: z.strictObject({ host }) }),
  z.strictObject({ remove_host: z.strictObject({ host }) }),
  z.strictObject({ set_metadata: z.strictObject({ metadata: z.record(z.string().regex(/^[a-zA-Z0-9-_:. ]{1,255}$/), z.string().max(255).nullable()) }) }),
]);
