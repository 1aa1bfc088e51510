import { uptime } from 'node:os';

/** Time as the agent uses it; tests bring their own. */
export interface Clock {
  /** Milliseconds since this machine booted: never set back, the same for every process. Deadlines count in it. */
  nowMs(): number;
  /** The same, going on while the machine sleeps; absent: nowMs. Leases count in it. */
  sinceBootMs?(): number;
  /** Milliseconds since 1970, for people only. */
  wallMs(): number;
  /** Runs `task` after `ms`; returns how to cancel it. */
  after(ms: number, task: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => Number(process.hrtime.bigint() / 1_000_000n),
  sinceBootMs: () => uptime() * 1000,
  wallMs: () => Date.now(),
  after: (ms, task) => {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
};

/** `ms` a little earlier or later. @param random 0 ≤ random < 1 */
export const jittered = (ms: number, by: number, random: number): number => Math.round(ms * (1 - by + 2 * by * random));
