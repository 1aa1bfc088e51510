/**
 * Creates and the loop that builds what they made share one database and one process. Whoever asks for more than is built would
 * take all of both, and every server would wait for the last request; so creates take turns, and let the loop catch up.
 *
 * Owns: who waits, first come first served. Never refuses anybody who still waits, and never holds anybody for longer than `patienceMs` because of the
 * loop: what the loop waits for (a host, the scheduler) is not its backlog. Nothing is lost if it crashes: nothing was begun.
 */
export interface TurnLimits {
  /** Creates under way at a time. */
  atOnce: number;
  /** Servers that wait for the loop: with more of them the next create waits. */
  behind: number;
  patienceMs: number;
  /** How often the loop is looked at meanwhile. */
  lookMs: number;
}

export class CreateTurns {
  readonly #waiting: { sinceMs: number; signal: AbortSignal | undefined; go: () => void; leave: (reason: unknown) => void }[] = [];
  #running = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param behind how many servers wait for the loop now */
  constructor(private readonly limits: TurnLimits, private readonly behind: () => number) {}

  /** @param signal whoever has gone away meanwhile is let out without a turn: nothing is begun for nobody */
  async pass<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await new Promise<void>((go, leave) => {
      this.#waiting.push({ sinceMs: performance.now(), signal, go, leave });
      this.#advance();
    });
    try {
      return await work();
    } finally {
      this.#running -= 1;
      this.#advance();
    }
  }

  #advance(): void {
    const { atOnce, behind, patienceMs, lookMs } = this.limits;
    for (let next = this.#waiting[0]; next !== undefined && this.#running < atOnce; next = this.#waiting[0]) {
      if (next.signal?.aborted === true) {
        this.#waiting.shift();
        next.leave(next.signal.reason);
        continue;
      }
      if (this.behind() >= behind && performance.now() - next.sinceMs < patienceMs) {
        if (this.#timer === undefined) this.#timer = setTimeout(() => { this.#timer = undefined; this.#advance(); }, lookMs);
        return;
      }
      this.#waiting.shift();
      this.#running += 1;
      next.go();
    }
  }
}
