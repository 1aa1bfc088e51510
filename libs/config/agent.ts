import { z } from 'zod';
import { ConfigError, logLevel, port, readEnv, type Env } from './env.js';
import { cellPages, placementOf, placementShape } from './placement.js';

const share = z.coerce.number().int().positive().optional();

const shape = {
  /** Identity, ledger, instances' files: one folder per host. */
  SKYLITE_STATE_DIR: z.string(),
  SKYLITE_LIBVIRT_SOCKET: z.string().default('/run/libvirt/libvirt-sock'),
  /** Found by really booting a guest once; never guessed from /dev/kvm. */
  SKYLITE_VIRT_TYPE: z.enum(['kvm', 'qemu']).default('kvm'),
  /** Several hosts on one machine declare shares of it; default: all of it. */
  SKYLITE_SHARE_VCPUS: share, SKYLITE_SHARE_MEMORY_MIB: share, SKYLITE_SHARE_DISK_GIB: share,
  /** Of the huge pages; default: all of them, or none where a share of the memory is declared. */
  SKYLITE_SHARE_HUGE_PAGES: cellPages.optional(),
  ...placementShape,
  SKYLITE_RESERVED_MEMORY_MIB: z.coerce.number().int().min(0).default(512),
  /** manage: PCI devices are given to guests as pools want it (as root only); look: they are told, and left alone; off: neither. Default: look, or off where a share of the machine is declared. */
  SKYLITE_DEVICES: z.enum(['manage', 'look', 'off']).optional(),
  /** For locks that last as long as the machine is up. */
  SKYLITE_RUN_DIR: z.string().default('/run/skylite'),
  SKYLITE_HOST_ADDRESS: z.string().default('127.0.0.1'),
  SKYLITE_METRICS_PORT: port.default(0),
  SKYLITE_READY_FILE: z.string().optional(),
  SKYLITE_LOG_LEVEL: logLevel,
};

/** One host's agent. Who it is and where NATS is stands in `<stateDir>/identity.json`, written by `join`. */
export function loadAgentConfig(env: Env = process.env) {
  const values = readEnv(shape, env);
  const placement = placementOf(values);
  if (values.SKYLITE_SHARE_VCPUS !== undefined && (placement.cpus.shared ?? placement.cpus.dedicated)) {
    throw new ConfigError('SKYLITE_SHARE_VCPUS cannot stand beside SKYLITE_CPU_SHARED or SKYLITE_CPU_DEDICATED: they say already which CPUs this host has.');
  }
  return {
    stateDir: values.SKYLITE_STATE_DIR,
    libvirtSocket: values.SKYLITE_LIBVIRT_SOCKET,
    virtType: values.SKYLITE_VIRT_TYPE,
    share: { vcpus: values.SKYLITE_SHARE_VCPUS, memoryMib: values.SKYLITE_SHARE_MEMORY_MIB, diskGib: values.SKYLITE_SHARE_DISK_GIB, hugePages: values.SKYLITE_SHARE_HUGE_PAGES },
    placement,
    reservedMemoryMib: values.SKYLITE_RESERVED_MEMORY_MIB,
    // Several hosts on one machine would each tell its devices as their own.
    devices: values.SKYLITE_DEVICES ?? (values.SKYLITE_SHARE_VCPUS === undefined && values.SKYLITE_SHARE_MEMORY_MIB === undefined ? 'look' as const : 'off' as const),
    runDir: values.SKYLITE_RUN_DIR,
    hostAddress: values.SKYLITE_HOST_ADDRESS,
    metricsPort: values.SKYLITE_METRICS_PORT,
    readyFile: values.SKYLITE_READY_FILE,
    logLevel: values.SKYLITE_LOG_LEVEL,
  };
}
export type AgentConfig = ReturnType<typeof loadAgentConfig>;

/** What each simulated host pretends to be. */
const simulatedShape = {
  SKYLITE_SIMULATED_CELLS: z.coerce.number().int().min(1).max(64).default(2),
  /** CPUs, memory and huge pages of the whole machine, shared out evenly to its cells. */
  SKYLITE_SIMULATED_VCPUS: z.coerce.number().int().min(1).max(4_096).default(64),
  SKYLITE_SIMULATED_THREADS_PER_CORE: z.coerce.number().int().min(1).max(8).default(1),
  SKYLITE_SIMULATED_MEMORY_MIB: z.coerce.number().int().min(64).max(64 * 1024 * 1024).default(262_144),
  SKYLITE_SIMULATED_DISK_GIB: z.coerce.number().int().min(1).max(10_000_000).default(4_000),
  /** In each cell that is named: "0:2M:1024,1:1G:16". */
  SKYLITE_SIMULATED_HUGE_PAGES: cellPages.default([]),
  /** PCI devices: network cards with so many virtual functions each, GPUs, NVMe disks. */
  SKYLITE_SIMULATED_PFS: z.coerce.number().int().min(0).max(64).default(0),
  SKYLITE_SIMULATED_VFS_PER_PF: z.coerce.number().int().min(1).max(256).default(8),
  SKYLITE_SIMULATED_GPUS: z.coerce.number().int().min(0).max(64).default(0),
  SKYLITE_SIMULATED_NVMES: z.coerce.number().int().min(0).max(64).default(0),
};

/** Settings of simulated hosts that are in `env`, as they are; a wrong one is named here already. */
export function fleetTunables(env: Env): Record<string, string> {
  const shape = { ...simulatedShape, ...placementShape };
  placementOf(readEnv(shape, env));
  return Object.fromEntries(Object.keys(shape).flatMap((name) => { const value = env[name]; return value === undefined || value === '' ? [] : [[name, value]]; }));
}

const fleetShape = {
  SKYLITE_STATE_DIR: z.string(),
  SKYLITE_FLEET_SIZE: z.coerce.number().int().min(1).max(10_000),
  /** Where hosts join; needed until all have. */
  SKYLITE_API_URL: z.url(),
  /** A 0600 file with one enrolment token a line; needed until all have joined. */
  SKYLITE_ENROL_TOKENS_FILE: z.string().optional(),
  ...simulatedShape,
  ...placementShape,
  SKYLITE_METRICS_PORT: port.default(0),
  SKYLITE_READY_FILE: z.string().optional(),
  SKYLITE_LOG_LEVEL: logLevel,
};

/** N purely simulated hosts in one process. */
export function loadFleetConfig(env: Env = process.env) {
  const values = readEnv(fleetShape, env);
  return {
    stateDir: values.SKYLITE_STATE_DIR,
    size: values.SKYLITE_FLEET_SIZE,
    apiUrl: values.SKYLITE_API_URL.replace(/\/+$/, ''),
    enrolTokensFile: values.SKYLITE_ENROL_TOKENS_FILE,
    simulated: {
      cells: values.SKYLITE_SIMULATED_CELLS, vcpus: values.SKYLITE_SIMULATED_VCPUS, threadsPerCore: values.SKYLITE_SIMULATED_THREADS_PER_CORE,
      memoryMib: values.SKYLITE_SIMULATED_MEMORY_MIB, diskGib: values.SKYLITE_SIMULATED_DISK_GIB, hugePages: values.SKYLITE_SIMULATED_HUGE_PAGES,
    },
    simulatedDevices: { pfs: values.SKYLITE_SIMULATED_PFS, vfsPerPf: values.SKYLITE_SIMULATED_VFS_PER_PF, gpus: values.SKYLITE_SIMULATED_GPUS, nvmes: values.SKYLITE_SIMULATED_NVMES },
    placement: placementOf(values),
    metricsPort: values.SKYLITE_METRICS_PORT,
    readyFile: values.SKYLITE_READY_FILE,
    logLevel: values.SKYLITE_LOG_LEVEL,
  };
}
export type FleetConfig = ReturnType<typeof loadFleetConfig>;
