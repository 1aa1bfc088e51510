/**
 * Who this host is: its id and key, made here once, and what it was given when it joined.
 * Owns: `identity.json` in the state folder, 0600. The key's secret half never leaves it.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { HostId } from '#libs/contracts';
import { createUserNkey, credsFile } from '#libs/messaging';
import { FatalError, EXIT } from '../errors.js';
import { writeAtomic } from '../files/atomic.js';

const Membership = z.object({ cellId: z.string(), cloudId: z.uuid(), natsUrls: z.array(z.string()).min(1), natsUserJwt: z.string(), availabilityZone: z.string() });
const Identity = z.object({
  hostId: HostId,
  name: z.string(),
  simulated: z.boolean(),
  publicNkey: z.string(),
  seed: z.string(),
  /** null: it has asked to join, or will; the answer is not here yet. */
  membership: Membership.nullable(),
});
export type Membership = z.output<typeof Membership>;
export type Identity = z.output<typeof Identity>;
export type JoinedIdentity = Identity & { membership: Membership };

const FILE = 'identity.json';

export async function readIdentity(stateDir: string): Promise<Identity | null> {
  const path = join(stateDir, FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return Identity.parse(JSON.parse(text));
  } catch (error) {
    throw new FatalError(`${path} cannot be read as a host's identity; restore it, or remove it and join with a new token`, EXIT.failure, { cause: error });
  }
}

/** The identity that asks to join: the one that is here, or a new one, on disk before anybody hears of it. */
export async function ensureIdentity(stateDir: string, name: string, simulated: boolean): Promise<Identity> {
  const known = await readIdentity(stateDir);
  if (known && (known.membership || known.name === name)) return known;
  const { publicNkey, seed } = createUserNkey();
  // Not a member yet under another name: the same host, still.
  const identity = known ? { ...known, name } : { hostId: HostId.parse(randomUUID()), name, simulated, publicNkey, seed, membership: null };
  await saveIdentity(stateDir, identity);
  return identity;
}

export async function saveIdentity(stateDir: string, identity: Identity): Promise<void> {
  // Passable, not readable: QEMU under another user must reach the instances' files below.
  await mkdir(stateDir, { recursive: true, mode: 0o711 });
  await writeAtomic(join(stateDir, FILE), `${JSON.stringify(identity, null, 2)}\n`, { durable: true, mode: 0o600 });
}

/** @throws FatalError when this host has not joined */
export async function joinedIdentity(stateDir: string): Promise<JoinedIdentity> {
  const identity = await readIdentity(stateDir);
  if (!identity?.membership) throw new FatalError(`this host has not joined a cloud yet (${stateDir}): get a token with 'skylite host enroll' and run 'skylite-agent join URL TOKEN'`, EXIT.failure);
  return { ...identity, membership: identity.membership };
}

export const credsOf = (identity: JoinedIdentity): string => credsFile(identity.membership.natsUserJwt, identity.seed);
