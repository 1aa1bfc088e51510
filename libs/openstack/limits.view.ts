import type { ProjectLimits } from '#libs/contracts';
import type { Microversion } from './microversion.js';
import { has } from './version-table.js';

export interface ProjectUsage { readonly instances: number; readonly cores: number; readonly ramMib: number; readonly keypairs: number; readonly serverGroups: number }

/** -1: no limit. What is not offered (injected files) has room for none; what another service counts has no limit here. */
export function limitsView(limits: ProjectLimits, usage: ProjectUsage, version: Microversion) {
  const network = !has(version, 'limits.no-network');
  return {
    limits: {
      rate: [],
      absolute: {
        maxTotalInstances: limits.instances,
        maxTotalCores: limits.cores,
        maxTotalRAMSize: limits.ramMib,
        maxTotalKeypairs: limits.keypairs,
        maxServerMeta: limits.metadataItems,
        ...(!has(version, 'limits.no-image-meta') && { maxImageMeta: limits.metadataItems }),
        ...(!has(version, 'server-create.no-personality') && { maxPersonality: 0, maxPersonalitySize: 0 }),
        maxServerGroups: limits.serverGroups,
        maxServerGroupMembers: limits.serverGroupMembers,
        ...(network && { maxTotalFloatingIps: -1, maxSecurityGroups: -1, maxSecurityGroupRules: -1 }),
        totalRAMUsed: usage.ramMib,
        totalCoresUsed: usage.cores,
        totalInstancesUsed: usage.instances,
        ...(network && { totalFloatingIpsUsed: 0, totalSecurityGroupsUsed: 0 }),
        totalServerGroupsUsed: usage.serverGroups,
      },
    },
  };
}

interface Quota { limit: number; in_use: number }

function quotas(limits: ProjectLimits, usage: ProjectUsage, version: Microversion): Record<string, Quota> {
  const none = { limit: 0, in_use: 0 };
  const elsewhere = { limit: -1, in_use: 0 };
  return {
    cores: { limit: limits.cores, in_use: usage.cores },
    instances: { limit: limits.instances, in_use: usage.instances },
    ram: { limit: limits.ramMib, in_use: usage.ramMib },
    // Keypairs belong to users: a project uses none.
    key_pairs: { limit: limits.keypairs, in_use: 0 },
    metadata_items: { limit: limits.metadataItems, in_use: 0 },
    ...(!has(version, 'server-create.no-personality') && { injected_file_content_bytes: none, injected_file_path_bytes: none, injected_files: none }),
    ...(!has(version, 'limits.no-network') && { fixed_ips: elsewhere, floating_ips: elsewhere, security_group_rules: elsewhere, security_groups: elsewhere }),
    // Counted group by group: a project as a whole uses none.
    server_group_members: { limit: limits.serverGroupMembers, in_use: 0 },
    server_groups: { limit: limits.serverGroups, in_use: usage.serverGroups },
  };
}

const NOTHING: ProjectUsage = { instances: 0, cores: 0, ramMib: 0, keypairs: 0, serverGroups: 0 };
const limitsOnly = (of: Record<string, Quota>): Record<string, number> => Object.fromEntries(Object.entries(of).map(([name, { limit }]) => [name, limit]));

/** Quota sets' names of what compute counts, and unified limits' names of the same. */
export const QUOTA_RESOURCES = {
  instances: 'servers', cores: 'class:VCPU', ram: 'class:MEMORY_MB', key_pairs: 'server_key_pairs', metadata_items: 'server_metadata_items',
  server_groups: 'server_groups', server_group_members: 'server_group_members',
} as const;
export type QuotaName = keyof typeof QUOTA_RESOURCES;
/** Quotas that stand in a set and are not kept here: networks are another service's, injected files are not offered. */
export const QUOTAS_NOT_KEPT = {
  fixed_ips: -1, floating_ips: -1, security_group_rules: -1, security_groups: -1, injected_file_content_bytes: 0, injected_file_path_bytes: 0, injected_files: 0,
} as const;

/** A project's use by quota sets' names, as far as it is counted for the project as a whole. */
export const quotaUsage = (usage: ProjectUsage): Record<QuotaName, number> => ({
  instances: usage.instances, cores: usage.cores, ram: usage.ramMib, server_groups: usage.serverGroups, key_pairs: 0, metadata_items: 0, server_group_members: 0,
});

export const quotaSetView = (projectId: string, limits: ProjectLimits, version: Microversion) => ({ quota_set: { id: projectId, ...limitsOnly(quotas(limits, NOTHING, version)) } });

/** What a change is answered with: without the project's id, as Nova does. */
export const quotaSetChanged = (limits: ProjectLimits, version: Microversion) => ({ quota_set: limitsOnly(quotas(limits, NOTHING, version)) });

const GROUPS = ['server_groups', 'server_group_members'];
const NETWORKS = ['fixed_ips', 'floating_ips', 'security_group_rules', 'security_groups'];

/**
 * There is one class, and it has the defaults. Networks left it, and server groups came, at 2.50: later than elsewhere.
 * @param id undefined: of a change, whose answer has none.
 */
export function quotaClassView(id: string | undefined, limits: ProjectLimits, version: Microversion) {
  const all = limitsOnly(quotas(limits, NOTHING, version));
  for (const network of NETWORKS) if (has(version, 'quota-class.server-groups')) delete all[network]; else all[network] = -1;
  if (!has(version, 'quota-class.server-groups')) for (const group of GROUPS) delete all[group];
  return { quota_class_set: { ...(id !== undefined && { id }), ...all } };
}

export const quotaSetDetail = (projectId: string, limits: ProjectLimits, usage: ProjectUsage, version: Microversion) => ({
  quota_set: { id: projectId, ...Object.fromEntries(Object.entries(quotas(limits, usage, version)).map(([name, quota]) => [name, { ...quota, reserved: 0 }])) },
});
