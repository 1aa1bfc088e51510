import type { Flavor, Hints, InstanceView, Layout, MoveKind, MovePhase, ObservedInstance, PlacementExplanation } from '#libs/contracts';
import { serverDevices, type Attachment } from '../attachments/decide/attachment.js';

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
  /** Seconds from power button to power cut, as the image's os_shutdown_timeout says; absent: the host's own default. */
  powerOffTimeoutS?: number;
  /** Of the image's properties those that choose a host: a resize reads them with another flavor. Absent: made before they were kept. */
  imageProperties?: Record<string, string>;
}

/** compute.instances as PostgreSQL gives it (bigint as text). */
export interface InstanceRow {
  id: string; number: string; project_id: string; user_id: string;
  name: string; hostname: string; description: string | null; metadata: Record<string, string>; tags: string[];
  intent: InstanceView['intent']; generation: string; spec_generation: number;
  reboot_count: number; reboot_type: 'soft' | 'hard';
  flavor_id: string; image_id: string; spec: InstanceSpec; vcpus: number; ram_mib: number;
  key_name: string | null; user_data: string | null; config_drive: boolean;
  requested_zone: string | null; requested_host: string | null; reservation_id: string; launch_index: number; group_id: string | null;
  /** The database was restored when it had no host: the incarnation since then. */
  unplaced_in: number | null;
  locked: boolean; locked_reason: string | null; locked_by: 'owner' | 'admin' | null;
  disk_generation: number; rebuilding: boolean;
  /** The last disk generation that a guest is known to have had; null: none, or of none that is to be there still. */
  launched_disk_generation: number | null;
  hold: 'off' | 'gone' | null; move_id: string | null; move_kind: MoveKind | null; move_phase: MovePhase | null;
  /** How many hosts besides its own still have something of it. */
  elsewhere: number;
  host_id: string | null; host_name: string | null; availability_zone: string | null;
  claim_generation: number | null; host_sequence: string | null; withdrawn: boolean;
  /** What of its host is claimed for it, CPU by CPU; null: it floats, or has no host. */
  layout: Layout | null;
  /** Devices besides the flavor's, in the order in which they were asked for. */
  attachments: Attachment[];
  /** What its scheduler hints said; null: nothing that chooses a host. */
  hints: Hints | null;
  step: string; waiting_for: string | null; attempts: number; waited_ms: string; last_error: string | null;
  fault: InstanceView['fault']; placement: PlacementExplanation | null;
  reconcile_at: Date | null; lease_owner: string | null;
  observed_state: ObservedInstance['state'] | null; observed_generation: string; observed_reboot_count: number;
  observed: Pick<ObservedInstance, 'startedAtMs' | 'doing' | 'error' | 'frozen' | 'built' | 'savedMemory' | 'devices'> & { /** Which report it was, of agents that count theirs. */ reported?: { bootId: string; sequence: number } } | null;
  version: string; last_request_id: string | null;
  created_at: Date; updated_at: Date; launched_at: Date | null; terminated_at: Date | null; deleted_at: Date | null;
}

const time = (at: Date | null): string | null => at?.toISOString() ?? null;

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
    hostId: row.host_id as InstanceView['hostId'], hostName: row.host_name, layout: row.layout,
    ...(((row.layout?.devices?.length ?? 0) > 0 || row.attachments.length > 0) && { devices: serverDevices(row) }),
    reservationId: row.reservation_id, launchIndex: row.launch_index, groupId: row.group_id, locked: row.locked, lockedReason: row.locked_reason,
    rebuilding: row.rebuilding, moveKind: row.move_kind, movePhase: row.move_phase,
    observedState: row.observed_state, observedGeneration: Number(row.observed_generation), observedRebootCount: row.observed_reboot_count,
    step: row.step, fault: row.fault,
    createdAt: row.created_at.toISOString(), updatedAt: row.updated_at.toISOString(), launchedAt: time(row.launched_at), terminatedAt: time(row.terminated_at),
  };
}
