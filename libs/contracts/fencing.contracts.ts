import { z } from 'zod';
import { Caller, HostId, InstanceId, Timestamp } from './common.js';
import { DesiredInstance, ObservedState } from './host.contracts.js';
import { defineContract } from './contract.js';
import { GroupWish, Layout } from './placement.contracts.js';
import { HostView } from './scheduler.contracts.js';

/** Lost hosts: echo, fences, power, and adopting hosts after a database was restored. */

/**
 * Do commands reach you? Answered through all that a command passes: bus, event loop, hypervisor. Agents that answer it
 * announce the capability ECHO; the silence of others says nothing.
 */
export const hostEcho = defineContract({
  subject: 'ask.{hostId}.echo',
  input: z.object({}),
  output: z.object({ bootId: z.string(), hypervisorUp: z.boolean() }),
  timeoutMs: 3_000,
});

export const FenceView = z.object({
  id: z.uuid(), hostId: HostId, epoch: z.int(),
  /** statement: a person's word. machine: its power was cut by a fence agent. */
  method: z.string(),
  /** power-off, tell, done, readmit, over, failed. */
  phase: z.string(),
  statement: z.string(), proof: z.string().nullable(), userId: z.string(), lastError: z.string().nullable(), createdAt: Timestamp, doneAt: Timestamp.nullable(),
});
export type FenceView = z.output<typeof FenceView>;

/**
 * Ends what a host may do: from the end of the fence on its servers may be rebuilt elsewhere or deleted for good. Refused with
 * `conflict` while the host is alive, unless its power is cut by machine. A repeat while one is open answers that one.
 */
export const fenceHost = defineContract({
  subject: 'svc.scheduler.hosts.fence',
  input: z.object({
    caller: Caller, hostId: HostId, method: z.enum(['statement', 'machine']), statement: z.string().min(3).max(1000),
    /** By machine: also while more than a tenth of the hosts look lost. */
    force: z.boolean().default(false),
  }),
  output: FenceView,
  timeoutMs: 5_000,
});
/** Takes a fenced host back: it gets its feed again, with `deleted` for what left it meanwhile. Repeats are harmless. */
export const unfenceHost = defineContract({ subject: 'svc.scheduler.hosts.unfence', input: z.object({ caller: Caller, hostId: HostId }), output: HostView, timeoutMs: 5_000 });

export const HostEventView = z.object({ at: Timestamp, kind: z.string(), message: z.string(), userId: z.string().nullable(), requestId: z.string().nullable() });
/** What happened to a host, newest first, and its open fence. */
export const inspectHost = defineContract({
  subject: 'svc.scheduler.hosts.inspect',
  input: z.object({ hostId: HostId }),
  output: z.object({ events: z.array(HostEventView), fence: FenceView.nullable(), power: z.object({ kind: z.string(), address: z.string(), username: z.string() }).nullable(), alarms: z.array(z.string()) }),
  timeoutMs: 5_000,
});

/** `auto`: leased when the cloud has another host; else alone. */
export const setHostRestart = defineContract({
  subject: 'svc.scheduler.hosts.set-restart',
  input: z.object({ caller: Caller, hostId: HostId, restart: z.enum(['auto', 'alone', 'leased']) }),
  output: HostView,
  timeoutMs: 3_000,
});

/** The password is sealed at once and never given out. null takes the settings away. */
export const setHostPower = defineContract({
  subject: 'svc.scheduler.hosts.set-power',
  input: z.object({
    caller: Caller, hostId: HostId,
    power: z.object({
      kind: z.enum(['ipmi', 'redfish']), address: z.string().min(1).max(255), username: z.string().min(1).max(255), password: z.string().min(1).max(255),
      /** Redfish: the system's path; default: the only one there is. */
      systemPath: z.string().max(255).optional(),
      /** Redfish: SHA-256 of the server's certificate, hex, when no authority vouches for it. */
      certificateSha256: z.string().regex(/^[0-9a-f]{64}$/).optional(),
    }).nullable(),
  }),
  output: z.object({}),
  timeoutMs: 3_000,
});

// scheduler -> compute; each may be repeated.

/**
 * From now on this host gets nothing and starts nothing: what was on it counts as gone. `epoch`: the one that ended. `telling` rises
 * when it is told anew because the host was heard meanwhile and is off again; a repeat of one changes nothing. Absent: an older scheduler.
 */
export const hostFenced = defineContract({ subject: 'svc.compute.hosts.fenced', input: z.object({ hostId: HostId, epoch: z.int().min(1), telling: z.int().min(1).optional() }), output: z.object({}), timeoutMs: 5_000 });
/** The fence of `epoch` is over: the host gets its feed again. */
export const readmitHost = defineContract({ subject: 'svc.compute.hosts.readmit', input: z.object({ hostId: HostId, epoch: z.int().min(1) }), output: z.object({}), timeoutMs: 5_000 });

/** What compute knows of one host, for people. */
export const hostServers = defineContract({
  subject: 'svc.compute.hosts.servers',
  input: z.object({ caller: Caller, hostId: HostId }),
  output: z.object({
    /** Servers whose host it is. */
    servers: z.array(z.object({ id: InstanceId, name: z.string(), intent: z.string(), observedState: z.string().nullable() })).max(1000),
    /** What left it while it was fenced, and what it has said of them since; anything but absent is still there. */
    leftovers: z.array(z.object({ id: InstanceId, name: z.string(), observedState: z.string().nullable() })).max(1000),
    orphans: z.array(z.object({ id: z.string(), name: z.string(), lastSeenAt: Timestamp })).max(1000),
    /** It was heard again while it is fenced. */
    returnedAt: Timestamp.nullable(),
  }),
  timeoutMs: 5_000,
});

// After a restore: hosts know more than the database.

/** One instance as a host remembers it. */
export const RememberedInstance = z.object({
  desired: DesiredInstance, sequence: z.int(), state: ObservedState,
  /** Something was built of it here: its disk and definition are there, or were. Undefined: an older agent. */
  built: z.boolean().optional(),
  /** notes: the ledger was lost, this is from the domain itself; it has no files of the config drive. */
  source: z.enum(['ledger', 'notes']),
});
export type RememberedInstance = z.output<typeof RememberedInstance>;

/** What the host's ledger and domains hold, in pages by id. */
export const readLedger = defineContract({
  subject: 'ask.{hostId}.ledger',
  input: z.object({ after: z.string().max(64) }),
  output: z.object({ incarnation: z.int(), epoch: z.int(), upTo: z.int(), entries: z.array(RememberedInstance), more: z.boolean() }),
  timeoutMs: 5_000,
});

/**
 * agrees; unknown: the database has no such server, it is made again; newer: the host has a later word, the database follows; moved: the
 * same, and it is on another host than the database says; missing: the host that the database names has nothing of it, it becomes
 * an ERROR that says so; elsewhere: left over on a host, while another has the later word: this one is told `deleted`.
 */
export const AdoptionFinding = z.object({ instanceId: InstanceId, name: z.string(), finding: z.string(), detail: z.string() });
export type AdoptionFinding = z.output<typeof AdoptionFinding>;
export const AdoptionView = z.object({
  incarnation: z.int(),
  hosts: z.array(z.object({
    id: HostId, name: z.string(), adopted: z.boolean(),
    /** null: it could be asked. */
    problem: z.string().nullable(),
    findings: z.array(AdoptionFinding),
  })),
});
export type AdoptionView = z.output<typeof AdoptionView>;

/** Compares every host that is not adopted with the database. Changes nothing. */
export const viewAdoption = defineContract({ subject: 'svc.compute.adoption.view', input: z.object({ caller: Caller }), output: AdoptionView, timeoutMs: 10_000 });
/** Does what `viewAdoption` says for these hosts (null: all that answer), and lets them go on; as many as there is time for. Repeats are harmless and go on. */
export const adoptHosts = defineContract({
  subject: 'svc.compute.adoption.adopt',
  input: z.object({ caller: Caller, hostIds: z.array(HostId).max(2_000).nullable(), statement: z.string().min(3).max(1000) }),
  output: AdoptionView,
  timeoutMs: 10_000,
});

/** compute -> scheduler: these claims are held on this host, whatever was booked; and what the host knows is known. Repeats are harmless. */
export const adoptClaims = defineContract({
  subject: 'svc.scheduler.claims.adopt',
  input: z.object({
    hostId: HostId, incarnation: z.int(), epoch: z.int(), requestId: z.string(), userId: z.string(), statement: z.string(),
    claims: z.array(z.object({
      instanceId: InstanceId, generation: z.int().min(1), projectId: z.string(),
      /** Of the flavor, in full: what of them floats, and what is ordinary memory, follows from the layout. */
      vcpus: z.int().min(1), memoryMib: z.int().min(1), diskGib: z.int().min(0),
      layout: Layout.nullable().default(null), resources: z.record(z.string().max(255), z.int().min(1)).nullable().default(null), group: GroupWish.nullable().default(null),
      /** A move of it has begun: its claim is booked where there is none, and what is claimed for the destination stands. */
      moving: z.boolean().default(false),
    })).max(2_000),
    /** The last page: the host is adopted. */
    last: z.boolean(),
  }),
  output: z.object({}),
  timeoutMs: 10_000,
});
/** compute -> scheduler: the host knows more than this database; it only reports until it is adopted. */
export const disownHost = defineContract({ subject: 'svc.scheduler.hosts.disown', input: z.object({ hostId: HostId, reason: z.string().max(500) }), output: z.object({}), timeoutMs: 3_000 });
