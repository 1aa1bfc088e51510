/**
 * Consoles and diagnostics of guests. A console is one connection, made of two that the door joins: the tenant's, opened with a
 * ticket, and the host's, which dials the door because a host listens nowhere. Tickets and keys never travel or rest in clear
 * where only their digest is needed.
 */
import { z } from 'zod';
import { Caller, HostId, InstanceId, Timestamp } from './common.js';
import { defineContract } from './contract.js';

/** What is looked at: the screen (RFB) or the first serial port. */
export const ConsoleKind = z.enum(['vnc', 'serial']);
export type ConsoleKind = z.output<typeof ConsoleKind>;

/** SHA-256 of a ticket, hex. */
const TicketHash = z.string().regex(/^[0-9a-f]{64}$/);

const Id = z.string().max(255);
const InDomain = z.object({ id: Id, domain: z.object({ id: Id }) });
/** Of the login that asked for a ticket what a revocation goes by, and the key that signed it: never the token itself. */
export const ConsoleLogin = z.object({
  kid: Id,
  claims: z.object({
    auditId: Id, parentAuditId: Id.nullable(), /** Seconds since the epoch, both. */ issuedAt: z.number(), expiresAt: z.number(), snapshot: z.string().max(16_384).optional(),
    user: InDomain, project: InDomain.nullable(), scopeDomain: z.object({ id: Id }).optional(), roles: z.array(z.object({ id: Id })).max(1_000),
    applicationCredential: z.object({ id: Id }).optional(),
  }),
});
export type ConsoleLogin = z.output<typeof ConsoleLogin>;

/** Where on the door hosts dial; the session's id follows. */
export const CONSOLE_DIAL_PATH = '/v1/console-hosts/';

/**
 * Lets whoever shows the ticket look at the console, once. The asker made the ticket and keeps it: a repeat with the same
 * digest is harmless. `conflict`: the server is not up; `unsupported`: it has no such console (the text says why).
 */
export const createConsoleTicket = defineContract({
  subject: 'svc.compute.consoles.create-ticket',
  input: z.object({
    caller: Caller, instanceId: InstanceId, kind: ConsoleKind, ticketHash: TicketHash,
    /** When the asker's own login ends: no console outlives it. */
    sessionEndsAt: Timestamp,
    /** With it the console ends as soon as the login is revoked. */
    login: ConsoleLogin.optional(),
  }),
  output: z.object({ expiresAt: Timestamp }),
  timeoutMs: 5_000,
});

/** Uses a ticket up, in one statement; `not-found` for one that is unknown, used or expired. A repeat by the same session is harmless. */
export const redeemConsoleTicket = defineContract({
  subject: 'svc.compute.consoles.redeem-ticket',
  input: z.object({ ticketHash: TicketHash, sessionId: z.uuid(), requestId: z.string(), /** The client's address, for the record. */ from: z.string().max(64) }),
  output: z.object({ instanceId: InstanceId, projectId: z.string(), hostId: HostId, kind: ConsoleKind, sessionEndsAt: Timestamp, /** As the ticket was made with. */ login: ConsoleLogin.optional() }),
  timeoutMs: 5_000,
});

/**
 * Has the host of a redeemed session open it and dial `url` with the key. Answered when both stand; refusals are the host's own
 * words: `conflict` (not running, or in use), `unsupported` (this guest has no such console), `over-quota` (too many open).
 */
export const connectConsole = defineContract({
  subject: 'svc.compute.consoles.connect',
  input: z.object({ sessionId: z.uuid(), /** ws: or wss:, ends in CONSOLE_DIAL_PATH and the session. */ url: z.url(), /** Proves the dialler to the door, once. */ key: z.string().min(32).max(128) }),
  output: z.object({}),
  timeoutMs: 9_000,
});

/** A console has ended: for the record. Lost, the record lacks its end. */
export const consoleEnded = defineContract({
  subject: 'svc.compute.consoles.ended',
  input: z.object({ sessionId: z.uuid(), reason: z.string().max(200) }),
  output: z.object({}),
  timeoutMs: 5_000,
});

/** As connectConsole, asked of the host. A repeat for a session that stands is harmless. */
export const openConsole = defineContract({
  subject: 'ask.{hostId}.console-open',
  input: z.object({ sessionId: z.uuid(), instanceId: InstanceId, kind: ConsoleKind, url: z.url(), key: z.string().min(32).max(128) }),
  output: z.object({}),
  timeoutMs: 7_000,
});

const Count = z.number().nullable();
/** What the hypervisor counts of one guest; null where it counts nothing. Times in ns, memory in KiB. */
export const GuestDiagnostics = z.object({
  hypervisor: z.string(), hypervisorOs: z.string(),
  state: z.enum(['pending', 'running', 'paused', 'shutdown', 'crashed', 'suspended']),
  maxMemoryKib: z.number(), usedMemoryKib: z.number().nullable(),
  /** libvirt's own names of memory statistics (available, rss, …), KiB. */
  memory: z.record(z.string(), z.number()),
  cpus: z.array(z.object({ id: z.int(), timeNs: Count })).max(4096),
  disks: z.array(z.object({ device: z.string(), readBytes: Count, readRequests: Count, writeBytes: Count, writeRequests: Count, errors: Count })).max(256),
  nics: z.array(z.object({
    device: z.string(), mac: z.string().nullable(),
    rxOctets: Count, rxErrors: Count, rxDrop: Count, rxPackets: Count, txOctets: Count, txErrors: Count, txDrop: Count, txPackets: Count,
  })).max(256),
});
export type GuestDiagnostics = z.output<typeof GuestDiagnostics>;

export const getServerDiagnostics = defineContract({
  subject: 'svc.compute.servers.diagnostics',
  input: z.object({ caller: Caller, instanceId: InstanceId }),
  output: z.object({ configDrive: z.boolean(), /** Since it was first launched. */ uptimeS: z.int().nullable(), guest: GuestDiagnostics }),
  timeoutMs: 8_000,
});

export const readDiagnostics = defineContract({
  subject: 'ask.{hostId}.diagnostics',
  input: z.object({ instanceId: InstanceId }),
  output: GuestDiagnostics,
  timeoutMs: 5_000,
});
