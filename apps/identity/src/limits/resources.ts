/** What is limited from the start, by service: unified limits' names as Nova and Glance know them. Others may be registered at any time. */
import type { ProjectLimits, ResourceLimits } from '#libs/contracts';

export interface Resource { name: string; byDefault: number; description: string }

export const RESOURCES: Readonly<Record<string, readonly Resource[]>> = {
  compute: [
    { name: 'servers', byDefault: 10, description: 'Servers of a project' },
    { name: 'class:VCPU', byDefault: 20, description: 'Virtual CPUs of a project\'s servers' },
    { name: 'class:MEMORY_MB', byDefault: 51_200, description: 'Memory of a project\'s servers, in MiB' },
    { name: 'server_metadata_items', byDefault: 128, description: 'Metadata of one server' },
    { name: 'server_key_pairs', byDefault: 100, description: 'Key pairs of one user' },
    { name: 'server_groups', byDefault: 10, description: 'Server groups of a project' },
    { name: 'server_group_members', byDefault: 10, description: 'Servers in one server group' },
  ],
  image: [
    // The store keeps a reserve of its disk free, whatever the sum of the limits.
    { name: 'image_size_total', byDefault: -1, description: 'Bytes of a project\'s images, in MiB' },
    { name: 'image_stage_total', byDefault: -1, description: 'Staged bytes of a project\'s images, in MiB; nothing is staged' },
    { name: 'image_count_total', byDefault: 10_000, description: 'Images of a project' },
    // Half of what one process of the image store receives at a time: no project takes all of it.
    { name: 'image_count_uploading', byDefault: 8, description: 'Uploads of a project that are under way' },
  ],
};

/** What counts where nobody registered a limit, or somebody deleted it. */
export const builtIn = (service: string): ResourceLimits => Object.fromEntries((RESOURCES[service] ?? []).map(({ name, byDefault }) => [name, byDefault]));

/** Compute's limits by the names of its own contract, which old rows have too. */
export const COMPUTE_NAMES: Readonly<Record<Exclude<keyof ProjectLimits, 'devices'>, string>> = {
  instances: 'servers', cores: 'class:VCPU', ramMib: 'class:MEMORY_MB', keypairs: 'server_key_pairs', metadataItems: 'server_metadata_items',
  serverGroups: 'server_groups', serverGroupMembers: 'server_group_members',
};

/** Of a device class, behind its name: registered by whoever wants a limit; without one there is none. */
const DEVICES = 'devices:';

export function projectLimitsOf(limits: ResourceLimits): ProjectLimits {
  const all = { ...builtIn('compute'), ...limits };
  const devices = Object.entries(limits).filter(([name]) => name.startsWith(DEVICES)).map(([name, limit]) => [name.slice(DEVICES.length), limit] as const);
  return {
    ...Object.fromEntries(Object.entries(COMPUTE_NAMES).map(([field, name]) => [field, all[name]])) as Omit<ProjectLimits, 'devices'>,
    ...(devices.length > 0 && { devices: Object.fromEntries(devices) }),
  };
}
