import type { Flavor, InstanceView, ObservedInstance, PlacementExplanation } from '#libs/contracts';

/** What is built, frozen when it was asked for: flavor, image and key may be gone tomorrow. */
export interface InstanceSpec {
  flavor: Flavor;
  image: { id: string; sha512: string; sizeBytes: number; virtualSizeBytes: number | null; format: 'qcow2' | 'raw' };
  /** Root disk in GiB as the host gets it; 0: as large as the image. */
  diskGib: number;
  /** Root disk in GiB as it is claimed: never less than the image's own size. */
  claimDiskGib: number;
  /** OpenSSH public key text. */
  publicKey: string | null;
  /** Base64; goes to the guest's entropy pool through its config drive, the same at every rendering. */
  randomSeed: string;
}

/** compute.instances as PostgreSQL gives it (bigint as text). */
export interface InstanceRow {
  id: string; number: string; project_id: string; user_id: string;
  name: string; hostname: string; description: string | null; metadata: Record<string, string>; tags: string[];
  intent: 'running' | 'stopped' | 'deleted'; generation: string; spec_generation: number;
  reboot_count: number; reboot_type: 'soft' | 'hard';
  flavor_id: string; image_id: string; spec: InstanceSpec; vcpus: number; ram_mib: number;
  key_name: string | null; user_data: string | null; config_drive: boolean;
  requested_zone: string | null; requested_host: string | null; reservation_id: string; launch_index: number; locked: boolean;
  host_id: string | null; host_name: string | null; availability_zone: string | null;
  claim_generation: number | null; host_sequence: string | null; withdrawn: boolean;
  step: string; waiting_for: string | null; attempts: number; waited_ms: string; last_error: string | null;
  fault: InstanceView['fault']; placement: PlacementExplanation | null;
  reconcile_at: Date | null; lease_owner: string | null;
  observed_state: ObservedInstance['state'] | null; observed_generation: string; observed_reboot_count: number;
  observed: Pick<ObservedInstance, 'startedAtMs' | 'doing' | 'error' | 'frozen'> | null;
  version: string; last_request_id: string | null;
  created_at: Date; updated_at: Date; launched_at: Date | null; terminated_at: Date | null; deleted_at: Date | null;
}

const time = (date: Date | null): string | null => date?.toISOString() ?? null;

/** The row as the rest of the cloud sees it. */
export function viewOf(row: InstanceRow): InstanceView {
  return {
    id: row.id as InstanceView['id'], projectId: row.project_id, userId: row.user_id,
    name: row.name, hostname: row.hostname, description: row.description, metadata: row.metadata, tags: row.tags,
    intent: row.intent, generation: Number(row.generation), specGeneration: row.spec_generation,
    rebootCount: row.reboot_count, rebootType: row.reboot_type,
    flavor: row.spec.flavor, imageId: row.image_id as InstanceView['imageId'],
    keyName: row.key_name, userData: row.user_data, configDrive: row.config_drive,
    requestedZone: row.requested_zone, availabilityZone: row.availability_zone,
    hostId: row.host_id as InstanceView['hostId'], hostName: row.host_name,
    reservationId: row.reservation_id, launchIndex: row.launch_index, locked: row.locked,
    observedState: row.observed_state, observedGeneration: Number(row.observed_generation), observedRebootCount: row.observed_reboot_count,
    step: row.step, fault: row.fault,
    createdAt: row.created_at.toISOString(), updatedAt: row.updated_at.toISOString(), launchedAt: time(row.launched_at), terminatedAt: time(row.terminated_at),
  };
}
