import { readFileSync } from 'node:fs';

/** A process that cannot be mistaken for another: pids are reused, pid + start time + boot are not. */
export interface ProcessRef { pid: number; startTime: string; bootId: string }

const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

/** Field 22 of /proc/<pid>/stat (clock ticks since boot); undefined when there is no such process or it is a zombie. */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

export function refOf(pid: number): ProcessRef | undefined {
  const startTime = startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime, bootId };
}

export const isAlive = (ref: ProcessRef): boolean => ref.bootId === bootId && startTimeOf(ref.pid) === ref.startTime;

/** Signals the process group when the process leads one, else the process; false when it is gone. */
export function signal(ref: ProcessRef, name: NodeJS.Signals, group: boolean): boolean {
  if (!isAlive(ref)) return false;
  try {
    process.kill(group ? -ref.pid : ref.pid, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/**
 * Ends what a process that led a session of its own left in it. Nothing is done when its number may mean somebody else
 * by now: after a reboot, or when a living process has it. (As long as a group has members its number is not given away.)
 */
export function endSession(ref: ProcessRef): void {
  if (ref.bootId !== bootId || startTimeOf(ref.pid) !== undefined) return;
  try {
    process.kill(-ref.pid, 'SIGKILL');
  } catch { /* nobody left */ }
}

export async function waitUntilGone(ref: ProcessRef, timeoutMs: number): Promise<boolean> {
  const end = Date.now() + timeoutMs;
  while (isAlive(ref)) {
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}
