/**
 * How ledger records lie on disk: JSON with a checksum over its body, replaced atomically. A file that does not read
 * back is moved into quarantine, never deleted. Never judges content beyond its shape.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { DesiredInstance } from '#libs/contracts';
import { STEPS } from '../decide/facts.js';
import { writeAtomic } from '../files/atomic.js';

const Frozen = z.object({
  renderVersion: z.int(), virtType: z.string(), arch: z.string(), machine: z.string(), emulator: z.string(),
  cpuModel: z.string(), cpuFeatures: z.string(), diskCache: z.string(),
});
const Failure = z.object({
  generation: z.int(),
  step: z.enum(STEPS),
  code: z.string(), message: z.string(), attempts: z.int(), final: z.boolean(), retryAtMs: z.int(), bootId: z.string(),
});
const Progress = z.object({
  built: z.int().nullable(),
  // Written by agents that can make disks anew; before, every disk was the first one.
  diskGeneration: z.int().default(1),
  configDrive: z.string().nullable().default(null),
  definition: z.string().nullable().default(null),
  frozen: Frozen.nullable(),
  rebootCount: z.int(),
  started: z.object({ generation: z.int(), bootId: z.string() }).nullable(),
  startedAtMs: z.int().nullable(),
  powerButton: z.object({ firstMs: z.int(), lastMs: z.int(), bootId: z.string() }).nullable(),
  woken: z.object({ atMs: z.int(), bootId: z.string() }).nullable().default(null),
  failure: Failure.nullable().catch(null), // of a newer agent's step: it is tried again
  devices: z.record(z.string(), Failure).catch({}), // likewise, and left out by agents of before
});
/** One instance. `sequence` and `incarnation` say which of the control plane's words it was. */
export const EntryRecord = z.object({ format: z.literal(1), sequence: z.int(), incarnation: z.int(), listed: z.boolean(), desired: DesiredInstance, progress: Progress });
/** The host itself. `upTo`: everything up to this sequence is in the ledger; 0: pull everything. */
export const HostRecord = z.object({
  format: z.literal(1), upTo: z.int(), incarnation: z.int(), epoch: z.int(), reportOnly: z.boolean(),
  inventory: z.object({ generation: z.int(), digest: z.string() }),
  /** Guests are started only with a lease; ledgers of before had none. */
  lease: z.object({ required: z.boolean() }).default({ required: false }),
});
export type EntryRecord = z.output<typeof EntryRecord>;
export type HostRecord = z.output<typeof HostRecord>;

export const FRESH_HOST: HostRecord = { format: 1, upTo: 0, incarnation: 0, epoch: 0, reportOnly: false, inventory: { generation: 0, digest: '' }, lease: { required: false } };

const checksum = (body: string): string => createHash('sha256').update(body).digest('hex').slice(0, 32);

export async function writeRecord(path: string, record: unknown, durable: boolean): Promise<void> {
  const body = JSON.stringify(record);
  await writeAtomic(path, `{"check":"${checksum(body)}","body":${body}}\n`, { durable, mode: 0o600 });
}

export type ReadResult<T> = { kind: 'ok'; record: T } | { kind: 'missing' } | { kind: 'corrupt'; why: string };

export async function readRecord<T extends z.ZodType>(path: string, shape: T): Promise<ReadResult<z.output<T>>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'missing' };
    throw error;
  }
  // The checksum is over the body's own bytes, so that reading needs no canonical form.
  const parts = /^\{"check":"([0-9a-f]{32})","body":(.*)\}\n$/s.exec(text);
  if (!parts || checksum(parts[2]!) !== parts[1]) return { kind: 'corrupt', why: 'checksum' };
  const checked = shape.safeParse(JSON.parse(parts[2]!));
  return checked.success ? { kind: 'ok', record: checked.data } : { kind: 'corrupt', why: checked.error.issues[0]?.path.join('.') ?? 'shape' };
}

/** Moves a file that does not read back out of the way; it is kept for people. */
export async function quarantine(path: string, folder: string, tag: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const to = join(folder, `${basename(path)}.${tag}`);
  await rename(path, to);
  return to;
}
