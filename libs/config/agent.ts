import { z } from 'zod';
import { logLevel, port, readEnv, type Env } from './env.js';

const share = z.coerce.number().int().positive().optional();

const shape = {
  /** Identity, ledger, instances' files: one folder per host. */
  SKYLITE_STATE_DIR: z.string(),
  SKYLITE_LIBVIRT_SOCKET: z.string().default('/run/libvirt/libvirt-sock'),
  /** Found by really booting a guest once; never guessed from /dev/kvm. */
  SKYLITE_VIRT_TYPE: z.enum(['kvm', 'qemu']).default('kvm'),
  /** Several hosts on one machine declare shares of it; default: all of it. */
  SKYLITE_SHARE_VCPUS: share, SKYLITE_SHARE_MEMORY_MIB: share, SKYLITE_SHARE_DISK_GIB: share,
  SKYLITE_RESERVED_MEMORY_MIB: z.coerce.number().int().min(0).default(512),
  SKYLITE_HOST_ADDRESS: z.string().default('127.0.0.1'),
  SKYLITE_METRICS_PORT: port.default(0),
  SKYLITE_READY_FILE: z.string().optional(),
  SKYLITE_LOG_LEVEL: logLevel,
};

/** One host's agent. Who it is and where NATS is stands in `<stateDir>/identity.json`, written by `join`. */
export function loadAgentConfig(env: Env = process.env) {
  const values = readEnv(shape, env);
  return {
    stateDir: values.SKYLITE_STATE_DIR,
    libvirtSocket: values.SKYLITE_LIBVIRT_SOCKET,
    virtType: values.SKYLITE_VIRT_TYPE,
    share: { vcpus: values.SKYLITE_SHARE_VCPUS, memoryMib: values.SKYLITE_SHARE_MEMORY_MIB, diskGib: values.SKYLITE_SHARE_DISK_GIB },
    reservedMemoryMib: values.SKYLITE_RESERVED_MEMORY_MIB,
    hostAddress: values.SKYLITE_HOST_ADDRESS,
    metricsPort: values.SKYLITE_METRICS_PORT,
    readyFile: values.SKYLITE_READY_FILE,
    logLevel: values.SKYLITE_LOG_LEVEL,
  };
}
export type AgentConfig = ReturnType<typeof loadAgentConfig>;

const fleetShape = {
  SKYLITE_STATE_DIR: z.string(),
  SKYLITE_FLEET_SIZE: z.coerce.number().int().min(1).max(10_000),
  /** Where hosts join; needed until all have. */
  SKYLITE_API_URL: z.url(),
  /** A 0600 file with one enrolment token a line; needed until all have joined. */
  SKYLITE_ENROL_TOKENS_FILE: z.string().optional(),
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
    metricsPort: values.SKYLITE_METRICS_PORT,
    readyFile: values.SKYLITE_READY_FILE,
    logLevel: values.SKYLITE_LOG_LEVEL,
  };
}
export type FleetConfig = ReturnType<typeof loadFleetConfig>;
