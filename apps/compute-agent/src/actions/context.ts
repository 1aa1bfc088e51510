/** What a step is done with: the wish, the machine, and the book. */
import type { DesiredInstance } from '#libs/contracts';
import type { Failure, Progress } from '../decide/facts.js';
import type { Machine } from '../hypervisor/hypervisor.js';

export interface ActionContext {
  readonly desired: DesiredInstance;
  readonly machine: Machine;
  readonly bootId: string;
  readonly epoch: number;
  /** Aborted when the intent changed or the agent stops. */
  readonly signal: AbortSignal;
  nowMs(): number;
  wallMs(): number;
  progress(): Progress;
  /** Resolves when it is on disk. */
  book(change: (progress: Progress) => Progress): Promise<void>;
  /** What went wrong with one device, and when it is tried again. @param generation the hold's */
  judge(before: Failure | null, step: 'attach-device' | 'detach-device', generation: number, error: unknown): Failure;
}
