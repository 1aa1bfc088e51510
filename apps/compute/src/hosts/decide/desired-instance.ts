/** A row as its host gets it: levels only, and the files of its config drive as Nova writes them. Pure. */
import type { DesiredInstance, OutputOf, pullDesired } from '#libs/contracts';
import type { InstanceRow } from '../../instances/instance-row.js';
import { wantedOnHost } from '../../lifecycle/decide/facts.js';
import { decodeUserData } from './user-data.js';

/** What a host's entry is made from. */
export type FeedRow = Pick<InstanceRow,
  'id' | 'project_id' | 'user_id' | 'flavor_id' | 'group_id' | 'hints' | 'name' | 'hostname' | 'intent' | 'withdrawn' | 'generation' | 'spec_generation' | 'reboot_count' | 'reboot_type' | 'spec' | 'vcpus' | 'ram_mib'
  | 'disk_generation' | 'hold' | 'metadata' | 'key_name' | 'user_data' | 'launch_index' | 'availability_zone' | 'layout'> & {
    host_sequence: string;
    /** The disk comes from another host under this key. */
    transfer_id?: string | null; transfer_key?: string | null;
    /** What of before the host has beside it, and is to keep or to restore. */
    previous_generation?: number | null; previous_then?: string | null;
    /** A guest has had this disk there. */
    disk_launched?: boolean;
  };

type Entry = OutputOf<typeof pullDesired>['entries'][number]['instance'];

export function desiredInstance(row: FeedRow): Entry {
  const intent: DesiredInstance['intent'] = wantedOnHost(row);
  const { image } = row.spec;
  return {
    id: row.id as Entry['id'], projectId: row.project_id, name: row.name, hostname: row.hostname,
    generation: Number(row.generation), specGeneration: row.spec_generation, intent, rebootCount: row.reboot_count, rebootType: row.reboot_type,
    vcpus: row.vcpus, memoryMib: row.ram_mib, diskGib: row.spec.diskGib,
    image: { id: image.id as Entry['image']['id'], sha512: image.sha512, sizeBytes: image.sizeBytes, virtualSizeBytes: image.virtualSizeBytes, format: image.format },
    // What is to vanish needs no files.
    configDrive: intent === 'deleted' ? {} : configDrive(row),
    diskGeneration: row.disk_generation, powerOffTimeoutS: row.spec.powerOffTimeoutS ?? null, ...moving(row),
    diskLaunched: row.disk_launched === true,
    userId: row.user_id, flavorId: row.flavor_id, groupId: row.group_id, hints: row.hints, layout: row.layout,
  };
}

const moving = ({ transfer_id: transferId, transfer_key: key, previous_generation: before, previous_then: then }: FeedRow): Pick<Entry, 'diskFrom' | 'previous'> => ({
  diskFrom: transferId && key ? { transferId, key } : null,
  previous: before && then ? { specGeneration: before, then } : null,
});

/** Path on the config drive → content, as cloud-init and cloudbase-init read it. */
export function configDrive(row: FeedRow): Record<string, string> {
  const { publicKey, randomSeed } = row.spec;
  const key = publicKey === null || row.key_name === null ? undefined : { name: row.key_name, data: publicKey };
  const metaData = {
    uuid: row.id, name: row.name, hostname: row.hostname, launch_index: row.launch_index, availability_zone: row.availability_zone, project_id: row.project_id,
    ...(key && { public_keys: { [key.name]: key.data }, keys: [{ name: key.name, type: 'ssh', data: key.data }] }),
    ...(Object.keys(row.metadata).length > 0 && { meta: row.metadata }),
    random_seed: randomSeed, devices: [],
  };
  return {
    'openstack/latest/meta_data.json': JSON.stringify(metaData),
    'openstack/latest/vendor_data.json': '{}',
    'openstack/latest/network_data.json': JSON.stringify({ links: [], networks: [], services: [] }),
    ...decodeUserData(row.user_data),
  };
}
