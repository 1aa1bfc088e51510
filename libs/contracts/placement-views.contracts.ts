/** What is asked about placement without claiming anything: hosts in Placement's words, what is claimed, what would fit, by which rules. */
import { z } from 'zod';
import { Caller, HostId, ImageId, InstanceId, Timestamp } from './common.js';
import { defineContract } from './contract.js';
import { Hints, Layout, GroupWish, Needs } from './placement.contracts.js';
import { PlacementExplanation } from './scheduler.contracts.js';

/** By resource class: VCPU, PCPU, MEMORY_MB, DISK_GB, CUSTOM_… */
const Amounts = z.record(z.string(), z.int());

/** A host as Placement sees it. What claims may use is (total - reserved) × allocationRatio. */
export const ResourceProvider = z.object({
  id: HostId, name: z.string(), generation: z.int(), updatedAt: Timestamp,
  traits: z.array(z.string()), aggregates: z.array(z.uuid()),
  /** It is alive, open to new servers, adopted and not fenced; left out: an older scheduler does not say. */
  takesNew: z.boolean().optional(),
  inventories: z.record(z.string(), z.object({ total: z.int(), reserved: z.int(), minUnit: z.int(), maxUnit: z.int(), stepSize: z.int(), allocationRatio: z.number(), /** May exceed what claims may use: a host that shrank. */ used: z.int() })),
});
export type ResourceProvider = z.output<typeof ResourceProvider>;

/** Pages, by the hosts' numbers: `next` goes into `after`. */
export const listProviders = defineContract({
  subject: 'svc.scheduler.placement.providers',
  input: z.object({ id: HostId.optional(), after: z.int().default(0), limit: z.int().min(1).max(100).default(100) }),
  output: z.object({ providers: z.array(ResourceProvider), next: z.int().nullable() }),
  timeoutMs: 5_000,
});

export const Allocation = z.object({ instanceId: InstanceId, hostId: HostId, /** run, move, or the name under which a fenced host's is kept. */ purpose: z.string(), generation: z.int(), projectId: z.string(), resources: Amounts, at: Timestamp });
export type Allocation = z.output<typeof Allocation>;

/** Live claims of one server, or on one host. */
export const listAllocations = defineContract({
  subject: 'svc.scheduler.placement.allocations',
  input: z.object({ instanceId: InstanceId.optional(), hostId: HostId.optional() }),
  output: z.object({ allocations: z.array(Allocation).max(2_000) }),
  timeoutMs: 5_000,
});

export const getProjectUsage = defineContract({
  subject: 'svc.scheduler.placement.usage',
  input: z.object({ projectId: z.string().max(255) }),
  output: z.object({ usages: Amounts, consumers: z.int() }),
  timeoutMs: 5_000,
});

/** Amounts are the whole guest's, as in a claim. */
const Wish = z.object({ vcpus: z.int().min(1), memoryMib: z.int().min(1), diskGib: z.int().min(0), needs: Needs.nullable().default(null) });

export const FitAnswer = z.object({
  /** How many of those asked for would find a place now, one after the other. */
  fits: z.int(),
  /** How many in all. */
  most: z.int(),
  /** Where those that fit would go, most first. */
  hosts: z.array(z.object({ id: HostId, name: z.string(), availabilityZone: z.string(), count: z.int() })),
  /** Why not more; null: all that were asked for fit. */
  explanation: PlacementExplanation.nullable(),
});
export type FitAnswer = z.output<typeof FitAnswer>;

/** Would this fit, where, how many of them? Claims nothing, leaves nothing. */
export const fitPlacement = defineContract({
  subject: 'svc.scheduler.placement.fit',
  input: Wish.extend({
    projectId: z.string(), count: z.int().min(1).max(1_000).default(1), availabilityZone: z.string().nullable().default(null), requestedHost: z.string().nullable().default(null),
    hints: Hints.nullable().default(null), group: GroupWish.nullable().default(null),
    /** Servers that the hints name count only as far as they are this project's; null: whosever they are. */
    hintsWithin: z.string().nullable().default(null),
  }),
  output: FitAnswer,
  timeoutMs: 8_000,
});

/** How many of each still fit, zone by zone, each as if it were alone. In the order asked. */
export const placementCapacity = defineContract({
  subject: 'svc.scheduler.placement.capacity',
  input: z.object({ projectId: z.string(), wishes: z.array(Wish).max(200) }),
  output: z.object({ at: Timestamp, capacity: z.array(z.object({ zones: z.array(z.object({ name: z.string(), fits: z.int() })) })) }),
  timeoutMs: 9_000,
});

/** What is in force: filters in the order they run, weighers with their multipliers. */
export const PlacementRules = z.object({
  strategy: z.enum(['spread', 'pack']),
  filters: z.array(z.object({ name: z.string() })),
  weighers: z.array(z.object({ name: z.string(), /** load: how empty, which the strategy may turn round. merit: the higher the better. */ kind: z.enum(['load', 'merit']), multiplier: z.number() })),
});
export const getPlacementRules = defineContract({ subject: 'svc.scheduler.placement.rules', input: z.object({}), output: PlacementRules, timeoutMs: 3_000 });

/** For people and tools: a flavor by id, as a server of it would be placed. Compute reads the needs and asks the scheduler. */
export const askFit = defineContract({
  subject: 'svc.compute.placement.fit',
  input: z.object({
    caller: Caller, flavorId: z.string().max(255), /** null: nothing is asked of the host but what the flavor says. */ imageId: ImageId.nullable(), count: z.int().min(1).max(1_000),
    availabilityZone: z.string().nullable(), requestedHost: z.string().nullable(), groupId: z.uuid().nullable(), hints: Hints.nullable().default(null),
  }),
  output: FitAnswer,
  timeoutMs: 10_000,
});

/** For all flavors that the caller may use. */
export const askCapacity = defineContract({
  subject: 'svc.compute.placement.capacity',
  input: z.object({ caller: Caller }),
  output: z.object({ at: Timestamp, flavors: z.array(z.object({ id: z.string(), name: z.string(), /** Why none of it ever fits, if so. */ problem: z.string().nullable(), zones: z.array(z.object({ name: z.string(), fits: z.int() })) })) }),
  timeoutMs: 10_000,
});

/** What placement decided for a server. Host names and numbers are for admins: the door leaves them out for others. */
export const readScheduling = defineContract({
  subject: 'svc.compute.servers.scheduling',
  input: z.object({ caller: Caller, instanceId: InstanceId }),
  output: z.object({
    instanceId: InstanceId, step: z.string(),
    /** null: it has no host. */
    placed: z.object({ host: z.string(), availabilityZone: z.string().nullable(), layout: Layout.nullable(), /** null: not known. */ at: Timestamp.nullable(), resources: Amounts }).nullable(),
    /** Of the last question for a host: which hosts fell out where, and why if none was left; null: nothing is kept of it. */
    explanation: PlacementExplanation.nullable(),
  }),
  timeoutMs: 8_000,
});
