/** A server's row from what its host remembers: the columns that a new row, or one that follows its host, gets. Pure. */
import type { Flavor, Hints, Layout, RememberedInstance } from '#libs/contracts';
import type { InstanceSpec } from '../../instances/instance-row.js';

export interface RememberedRow {
  id: string; projectId: string; userId: string; name: string; hostname: string; metadata: Record<string, string>;
  intent: string; generation: number; specGeneration: number; diskGeneration: number; rebootCount: number; rebootType: string;
  flavorId: string; imageId: string; spec: InstanceSpec; vcpus: number; ramMib: number; claimDiskGib: number;
  keyName: string | null; userData: string | null; launchIndex: number;
  /** Its server group, which may be gone by now, and what its scheduler hints said. */
  groupId: string | null; hints: Hints | null;
  /** What of the host it has, as the host was told. */
  layout: Layout | null;
  /** It was built: it has run, or may have. */
  launched: boolean;
}

const INTENTS: ReadonlySet<string> = new Set(['running', 'stopped', 'paused', 'suspended']);
const GIB = 1024 ** 3;

/** @param flavors those that exist, by id; one that is gone is remembered by what it gave. */
export function rowFromMemory({ desired, state }: RememberedInstance, flavors: ReadonlyMap<string, Flavor>): RememberedRow {
  const meta = metaOf(desired.configDrive);
  const image = { id: desired.image.id as string, sha512: desired.image.sha512, sizeBytes: desired.image.sizeBytes, virtualSizeBytes: desired.image.virtualSizeBytes, format: desired.image.format === 'raw' ? 'raw' as const : 'qcow2' as const };
  const fits = [...flavors.values()].find(({ vcpus, ramMib, diskGib }) => vcpus === desired.vcpus && ramMib === desired.memoryMib && diskGib === desired.diskGib);
  const flavor: Flavor = (desired.flavorId === undefined ? undefined : flavors.get(desired.flavorId)) ?? fits ?? {
    id: desired.flavorId ?? 'remembered', name: desired.flavorId ?? 'remembered', vcpus: desired.vcpus, ramMib: desired.memoryMib, diskGib: desired.diskGib,
    ephemeralGib: 0, swapMib: 0, rxtxFactor: 1, isPublic: false, disabled: true, description: null, extraSpecs: {},
  };
  const claimDiskGib = Math.max(desired.diskGib, Math.ceil((image.virtualSizeBytes ?? image.sizeBytes) / GIB));
  const text = desired.configDrive['openstack/latest/user_data'];
  const userData = text === undefined ? desired.configDrive['openstack/latest/user_data;base64'] : toBase64(text);
  const key = meta.keys?.[0];
  return {
    id: desired.id, projectId: desired.projectId, userId: desired.userId ?? '', name: desired.name, hostname: desired.hostname, metadata: meta.meta ?? {},
    intent: INTENTS.has(desired.intent) ? desired.intent : 'stopped', generation: desired.generation, specGeneration: desired.specGeneration, diskGeneration: desired.diskGeneration,
    rebootCount: desired.rebootCount, rebootType: desired.rebootType === 'hard' ? 'hard' : 'soft',
    flavorId: flavor.id, imageId: image.id, vcpus: desired.vcpus, ramMib: desired.memoryMib, claimDiskGib,
    spec: {
      flavor, image, diskGib: desired.diskGib, claimDiskGib, publicKey: key?.data ?? null, randomSeed: meta.random_seed ?? '',
      ...(desired.powerOffTimeoutS !== null && { powerOffTimeoutS: desired.powerOffTimeoutS }),
    },
    keyName: key?.name ?? null, userData: userData ?? null, launchIndex: meta.launch_index ?? 0, groupId: desired.groupId ?? null, hints: desired.hints ?? null, layout: desired.layout,
    launched: state !== 'building' && state !== 'failed' && state !== 'absent',
  };
}

interface Meta { meta?: Record<string, string>; keys?: { name: string; data: string }[]; random_seed?: string; launch_index?: number }

function metaOf(files: Readonly<Record<string, string>>): Meta {
  try {
    return JSON.parse(files['openstack/latest/meta_data.json'] ?? '{}') as Meta;
  } catch {
    return {};
  }
}

/** Bytes of text, without node's help: this folder is pure. */
function toBase64(text: string): string {
  let binary = '';
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}
