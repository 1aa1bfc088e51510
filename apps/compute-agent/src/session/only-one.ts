/**
 * One agent a host at a time: two would each plan from what they saw before the other acted, and write one ledger. The session does
 * not tell them apart, for both are of one boot.
 *
 * A name that the kernel holds for this process and gives up with it, however it ends; a stopped one (SIGSTOP) still has it, rightly.
 */
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HostId } from '#libs/contracts';
import { EXIT, FatalError } from '../errors.js';

/** @param patienceMs one that was told to stop may still end its steps. @returns how to let go. @throws FatalError when another agent of this host runs */
export async function holdAlone(hostId: HostId, patienceMs: number): Promise<() => void> {
  for (const until = performance.now() + patienceMs; ;) {
    const held = await take(`\0skylite-agent-${hostId}`);
    if (held) return held;
    if (performance.now() >= until) throw new FatalError('another agent of this host runs on this machine; only one may', EXIT.failure);
    await sleep(100);
  }
}

function take(name: string): Promise<(() => void) | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => { if (error.code === 'EADDRINUSE') resolve(null); else reject(error); });
    server.listen(name, () => resolve(() => { server.close(); }));
    server.unref();
  });
}
