import { z } from 'zod';
import type { ResourceLimits } from '#libs/contracts';
import { badRequest } from '#libs/errors';
import { has, QUOTA_RESOURCES, QUOTAS_NOT_KEPT, quotaUsage, type Microversion, type ProjectUsage, type QuotaName } from '#libs/openstack';
import { flag } from '../../http/input-types.js';
import { versioned } from '../../http/read-input.js';

/** -1: no limit. Clients send numbers, and their digits as text. */
const quota = z.union([z.int().min(-1).max(0x7fff_ffff), z.string().max(11).regex(/^-?[0-9]+$/)]).transform(Number).refine((value) => value >= -1 && value <= 0x7fff_ffff, 'a quota is between -1 (none) and 2147483647');

const NETWORKS = ['fixed_ips', 'floating_ips', 'security_group_rules', 'security_groups'] as const;
const INJECTED = ['injected_file_content_bytes', 'injected_file_path_bytes', 'injected_files'] as const;
const fields = <N extends string>(names: readonly N[]) => Object.fromEntries(names.map((name) => [name, quota.optional()])) as Record<N, z.ZodOptional<typeof quota>>;

const KEPT = Object.keys(QUOTA_RESOURCES) as QuotaName[];
const quotas = (version: Microversion, noNetworks: 'limits.no-network' | 'quota-class.server-groups') => ({
  ...fields(KEPT), ...(!has(version, noNetworks) && fields(NETWORKS)), ...(!has(version, 'server-create.no-personality') && fields(INJECTED)),
});

export const UpdateQuotaSet = versioned((version) => z.strictObject({ quota_set: z.strictObject({ ...quotas(version, 'limits.no-network'), force: flag.optional() }) }));
export const UpdateQuotaClassSet = versioned((version) => z.strictObject({ quota_class_set: z.strictObject(quotas(version, 'quota-class.server-groups')) }));

/**
 * What is to be changed, by unified limits' names. What stands in a set and is not kept here may be repeated as it was read, and not changed.
 * @throws SkyError bad-request
 */
export function wantedLimits(asked: Readonly<Record<string, unknown>>): ResourceLimits {
  for (const [name, fixed] of Object.entries(QUOTAS_NOT_KEPT)) {
    const value = asked[name];
    if (value !== undefined && value !== fixed) throw badRequest(`Quota ${name} cannot be changed here: compute does not count it.`);
  }
  return Object.fromEntries(KEPT.flatMap((name) => (typeof asked[name] === 'number' ? [[QUOTA_RESOURCES[name], asked[name]]] : [])));
}

/**
 * Without force, a quota is not set below what is used: whoever does it by mistake hears of it. With force nothing is taken away either.
 * @throws SkyError bad-request in Nova's words
 */
export function refuseBelowUse(wanted: ResourceLimits, usage: ProjectUsage): void {
  const used = quotaUsage(usage);
  for (const name of KEPT) {
    const limit = wanted[QUOTA_RESOURCES[name]];
    if (limit !== undefined && limit >= 0 && limit < used[name]) throw badRequest(`Quota limit ${limit} for ${name} must be greater than or equal to already used and reserved ${used[name]}.`);
  }
}
