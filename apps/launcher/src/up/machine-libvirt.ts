/**
 * The machine's own libvirt (`--libvirt system`): whether it answers, and the end of this cloud's guests there.
 *
 * Owns nothing: only domains whose metadata names this cloud are ours; every other is the machine's owner's and never
 * touched. A crash here leaves guests that the next `down --purge` removes.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { LibvirtConnection, LibvirtError, type LibvirtCalls } from '#libs/libvirt';
import { UpError } from './progress.js';

export const MACHINE_SOCKET = '/run/libvirt/libvirt-sock';
const NOTES_URI = 'urn:skylite:instance:1';
const ANSWER_MS = 3_000;
/** A libvirtd that was just started examines QEMU before it answers. */
const UP_MS = 30_000;

/** @param home where guests' disks will be: QEMU runs as another user there and must be let through. */
export async function demandMachineLibvirt(home: string): Promise<void> {
  await demandAnswer();
  const closed = above(home).find((dir) => (statSync(dir).mode & 0o001) === 0);
  if (closed) throw new UpError(`guests of the machine's libvirt could not reach their disks in ${home}: ${closed} is closed to others.`, 'Set SKYLITE_HOME to a folder elsewhere (/var/lib/skylite), or leave --libvirt system away.');
}

/** The folders on the way to `dir` that are there already, without itself. */
const above = (dir: string): string[] => (dirname(dir) === dir ? [] : [...above(dirname(dir)), dirname(dir)]).filter((path) => existsSync(path));

async function demandAnswer(): Promise<void> {
  const problem = await connects(MACHINE_SOCKET);
  if (problem) throw new UpError(`the machine's libvirt does not answer at ${MACHINE_SOCKET} (${problem}).`, 'Start it (`systemctl start libvirtd`), or leave --libvirt system away: then the host gets a libvirt of its own.');
}

/** Undefined when somebody listens, else why not. */
export const connects = (path: string): Promise<string | undefined> => new Promise((resolve) => {
  const socket = connect(path);
  const done = (problem?: string): void => { socket.destroy(); resolve(problem); };
  socket.setTimeout(ANSWER_MS, () => done('no answer'));
  socket.once('connect', () => done());
  socket.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
});

/** Stops and forgets the guests of the cloud that the agent in `agentDir` has joined; returns how many there were. */
export async function removeGuests(agentDir: string): Promise<number> {
  const cloudId = cloudOf(agentDir);
  if (cloudId === undefined) return 0;
  await demandAnswer();
  const libvirt = new LibvirtConnection({ socketPath: MACHINE_SOCKET });
  try {
    await libvirt.waitUp(UP_MS);
    return await removeDomainsOf(libvirt, cloudId);
  } finally {
    await libvirt.close();
  }
}

export async function removeDomainsOf(libvirt: Pick<LibvirtCalls, 'listAllDomains' | 'domainGetMetadata' | 'domainDestroy' | 'domainUndefine'>, cloudId: string): Promise<number> {
  let removed = 0;
  for (const domain of await libvirt.listAllDomains()) {
    const notes = await libvirt.domainGetMetadata(domain, NOTES_URI).catch(noneHere);
    if (/^\s*<[^>]*\scloud=["']([^"']*)["']/.exec(notes ?? '')?.[1] !== cloudId) continue;
    await libvirt.domainDestroy(domain).catch(noneHere);
    await libvirt.domainUndefine(domain, { managedSave: true, snapshotsMetadata: true, nvram: true }).catch(noneHere);
    removed += 1;
  }
  return removed;
}

/** No notes, not running, gone meanwhile: as wanted. Anything else is a failure. */
function noneHere(error: unknown): undefined {
  if (error instanceof LibvirtError && ['NO_DOMAIN_METADATA', 'NO_DOMAIN', 'OPERATION_INVALID'].includes(error.codeName)) return undefined;
  throw error;
}

function cloudOf(agentDir: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(join(agentDir, 'identity.json'), 'utf8')) as { membership: { cloudId: string } | null }).membership?.cloudId;
  } catch {
    return undefined;
  }
}
