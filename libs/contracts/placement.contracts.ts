/** What a server needs of its host besides amounts, and exactly what of a host it was given. Nova's extra specs and image properties, read once. */
import { z } from 'zod';
import { InstanceId } from './common.js';
import { ClaimedDevice, DeviceNeed } from './device.contracts.js';

/** Guest CPUs, host CPUs and cells are counted as the guest's and the host's kernel count them. */
const Cpu = z.int().min(0).max(4095);
const Cell = z.int().min(0).max(1023);
/** A page: 4 (small), 2048, 1048576, … KiB. */
const PageKib = z.int().min(4);

export const Needs = z.object({
  /** hw:cpu_policy: shared: all float; dedicated: each guest CPU has a host CPU of its own; mixed: those of `pinned` have. */
  cpuPolicy: z.enum(['shared', 'dedicated', 'mixed']).default('shared'),
  /** Guest CPUs with a host CPU of their own: all of a dedicated guest's, none of a shared one's. */
  pinned: z.array(Cpu).default([]),
  /** hw:cpu_thread_policy, of dedicated CPUs. prefer: siblings together if possible; isolate: no core shared with anybody; require: siblings only. */
  threadPolicy: z.enum(['prefer', 'isolate', 'require']).default('prefer'),
  /** hw:emulator_threads_policy. isolate: one more dedicated CPU; share: the shared set; null: with the guest's own CPUs. */
  emulatorThreads: z.enum(['share', 'isolate']).nullable().default(null),
  /** hw:cpu_realtime with its mask: guest CPUs of real time, all of them pinned. Left out: none. */
  realtime: z.array(Cpu).optional(),
  /** hw:numa_nodes and its kin: the guest's own cells, each on one host cell, no two on the same. Empty: no topology asked for. */
  cells: z.array(z.object({ cpus: z.array(Cpu), memoryMib: z.int().min(1) })).max(64).default([]),
  /** hw:mem_page_size. small: ordinary pages; large: the largest huge pages there are; any: as fits, huge preferred; a number: KiB. null: nothing said. */
  pageSize: z.union([z.enum(['small', 'large', 'any']), PageKib]).nullable().default(null),
  /** hw:cpu_sockets, cores, threads as wished, and hw:cpu_max_…: the most the guest may see. null: nothing said. */
  topology: z.object({
    sockets: z.int().min(1).nullable(), cores: z.int().min(1).nullable(), threads: z.int().min(1).nullable(),
    maxSockets: z.int().min(1).nullable(), maxCores: z.int().min(1).nullable(), maxThreads: z.int().min(1).nullable(),
  }).nullable().default(null),
  /** trait:X=required|forbidden, of flavor and image together. */
  traits: z.object({ required: z.array(z.string().max(255)).max(200), forbidden: z.array(z.string().max(255)).max(200) }).default({ required: [], forbidden: [] }),
  /** resources:CUSTOM_X=n. */
  resources: z.record(z.string().max(255), z.int().min(1)).default({}),
  /** The image's hw_architecture; null: any. */
  architecture: z.string().max(64).nullable().default(null),
  /** aggregate_instance_extra_specs:K=V, without the prefix, and unscoped extra specs: hosts' aggregates have to agree, with Nova's operators. */
  aggregateSpecs: z.record(z.string().max(255), z.string().max(255)).default({}),
  /** Image properties that aggregates may isolate by (AggregateImagePropertiesIsolation). */
  imageProperties: z.record(z.string().max(255), z.string().max(255)).default({}),
  /** pci_passthrough:alias, then what was attached since. Left out: none. */
  devices: z.array(DeviceNeed).max(32).optional(),
});
export type Needs = z.output<typeof Needs>;

/** os:scheduler_hints: beside, or away from, these servers. */
export const Hints = z.object({
  sameHost: z.array(InstanceId).max(100).default([]),
  differentHost: z.array(InstanceId).max(100).default([]),
});
export type Hints = z.output<typeof Hints>;

/** The server group of a server, as it is when it is placed. */
export const GroupWish = z.object({
  id: z.uuid(),
  policy: z.enum(['affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity']),
  /** Of anti-affinity: members a host may have. */
  maxServerPerHost: z.int().min(1).default(1),
});
export type GroupWish = z.output<typeof GroupWish>;

/** Exactly what of a host is claimed for one guest; nothing is left to choose on the host. */
export const Layout = z.object({
  /** Each of the guest's cells on its host cell; one for a guest that is pinned or has pages without a topology of its own. Empty: it floats. */
  cells: z.array(z.object({
    hostCell: Cell,
    memoryMib: z.int().min(1),
    /** Of what its memory is made; null: ordinary pages. */
    pageKib: PageKib.nullable(),
    /** Guest CPU -> its host CPU, a dedicated one. */
    pins: z.array(z.object({ guest: Cpu, host: Cpu })),
    /** Guest CPUs that float over the shared CPUs of the host cell. */
    floating: z.array(Cpu),
  })).max(64),
  /** The dedicated host CPU of QEMU's own threads (emulatorThreads isolate); null: none. */
  emulatorCpu: Cpu.nullable(),
  emulatorThreads: z.enum(['share', 'isolate']).nullable(),
  /** Dedicated host CPUs that are taken and stay empty: siblings of pinned ones (thread policy isolate). */
  idleCpus: z.array(Cpu).default([]),
  /** Guest CPUs that run in real time; its memory is locked then, and QEMU's own threads keep away from them. Left out: none. */
  realtime: z.array(Cpu).optional(),
  /** hw:cpu_policy: shared and a guest topology are shown to the guest. */
  guestTopology: z.object({ sockets: z.int().min(1), cores: z.int().min(1), threads: z.int().min(1) }).nullable(),
  /** Has the guest cells of its own (hw:numa_nodes …), or only the host's? */
  numa: z.boolean(),
  /** Its devices, in the order of its needs; those that came later follow. Left out: none. */
  devices: z.array(ClaimedDevice).max(64).optional(),
});
export type Layout = z.output<typeof Layout>;
