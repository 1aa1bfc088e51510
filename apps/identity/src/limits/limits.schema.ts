import { z } from 'zod';
import { name } from '../http/text.js';
import { LIMITS } from '../limits.js';

const id = name.min(1);
const region = z.string().min(1).max(LIMITS.nameChars).nullable();
const resource = id.refine((text) => text.trim() !== '', 'A resource name has characters that can be seen.');
const description = name.nullable();
/** -1: no limit. Keystone's columns hold four bytes, and so do its clients' ideas. */
const value = z.int().min(-1).max(0x7fff_ffff);

const NewRegisteredLimit = z.strictObject({ service_id: id, region_id: region.optional(), resource_name: resource, default_limit: value, description: description.optional() });
export type NewRegisteredLimit = z.output<typeof NewRegisteredLimit>;
export const CreateRegisteredLimits = z.strictObject({ registered_limits: z.array(NewRegisteredLimit).min(1).max(LIMITS.limitsPerRequest) });
export type CreateRegisteredLimits = z.output<typeof CreateRegisteredLimits>;

export const UpdateRegisteredLimit = z.strictObject({ registered_limit: NewRegisteredLimit.partial() });
export type UpdateRegisteredLimit = z.output<typeof UpdateRegisteredLimit>;

const isOne = (limit: { project_id?: string | null | undefined; domain_id?: string | null | undefined }): boolean => (limit.project_id ?? undefined) === undefined !== ((limit.domain_id ?? undefined) === undefined);
const NewLimit = z.strictObject({
  project_id: id.nullish(), domain_id: id.nullish(),
  service_id: id, region_id: region.optional(), resource_name: resource, resource_limit: value, description: description.optional(),
}).refine(isOne, 'A limit is of a project (project_id) or of a domain (domain_id), and of one only.');
export type NewLimit = z.output<typeof NewLimit>;
export const CreateLimits = z.strictObject({ limits: z.array(NewLimit).min(1).max(LIMITS.limitsPerRequest) });
export type CreateLimits = z.output<typeof CreateLimits>;

/** What a limit is of stays as it is. */
export const UpdateLimit = z.strictObject({ limit: z.strictObject({ resource_limit: value, description }).partial() });
export type UpdateLimit = z.output<typeof UpdateLimit>;

const page = { limit: z.string().max(9).refine((text) => /^[1-9]\d*$/.test(text), 'limit must be a whole number above 0').transform(Number).optional(), marker: name.optional() };
/** Unknown parameters are ignored, as Keystone does. */
export const RegisteredLimitsQuery = z.object({ service_id: name.optional(), region_id: name.optional(), resource_name: name.optional(), ...page });
export type RegisteredLimitsQuery = z.output<typeof RegisteredLimitsQuery>;
export const LimitsQuery = RegisteredLimitsQuery.extend({ project_id: name.optional(), domain_id: name.optional() });
export type LimitsQuery = z.output<typeof LimitsQuery>;
