import { z } from 'zod';
import { has } from '#libs/openstack';
import { flag } from '../../http/input-types.js';
import { versioned } from '../../http/read-input.js';

const reason = z.string().min(1).max(255).optional();

export const UpdateServiceByNameBody = versioned((version) => z.strictObject({
  host: z.string().min(1).max(255).regex(/^[a-zA-Z0-9-._]*$/), binary: z.string().min(1).max(255), disabled_reason: reason,
  ...(has(version, 'service.forced-down') && { forced_down: flag.optional() }),
}));
export const UpdateServiceByIdBody = z.strictObject({ status: z.enum(['enabled', 'disabled']).optional(), disabled_reason: reason, forced_down: flag.optional() });
export const UpdateServiceBody = versioned<z.ZodType>((version) => (has(version, 'hypervisor.uuid') ? UpdateServiceByIdBody : UpdateServiceByNameBody(version)));
