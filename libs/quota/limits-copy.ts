import { asSkyError } from '#libs/errors';
import { QUOTA_LIMITS } from './limits.js';

/** What identity says of a project's limits. */
export interface LimitsAnswer<T> {
  readonly limits: T;
  /** Rises with every change of limits. */
  readonly generation: number;
  /** Of identity's database; a restored one begins its generations anew. */
  readonly incarnation?: number | undefined;
}

/** What tests replace. Milliseconds of a clock that never goes back. */
export type LimitsCopyOptions = Partial<Record<keyof typeof QUOTA_LIMITS, number>> & { now?: () => number };

interface Copy<T> extends LimitsAnswer<T> { readonly askedAt: number }

/** @see index.ts */
export class LimitsCopy<T> {
  readonly #copies = new Map<string, Copy<T>>();
  readonly #asking = new Map<string, Promise<Copy<T>>>();
  readonly #bounds: Record<keyof typeof QUOTA_LIMITS, number>;
  readonly #now: () => number;
  #failedAt = -Infinity;

  /** @param ask identity's word on one project, with a deadline of its own */
  constructor(private readonly ask: (projectId: string) => Promise<LimitsAnswer<T>>, { now = () => performance.now(), ...bounds }: LimitsCopyOptions = {}) {
    this.#now = now;
    this.#bounds = { ...QUOTA_LIMITS, ...bounds };
  }

  /** @throws SkyError what identity answered; `unavailable` or `timeout` while it is away and no copy is young enough. */
  async of(projectId: string): Promise<T> {
    const copy = this.#copies.get(projectId);
    const age = copy === undefined ? Infinity : this.#now() - copy.askedAt;
    if (copy !== undefined && age < this.#bounds.freshMs) return copy.limits;
    const usable = copy !== undefined && age < this.#bounds.staleMs ? copy : undefined;
    if (usable !== undefined && this.#now() - this.#failedAt < this.#bounds.retryMs) return usable.limits;
    try {
      return (await this.#askOnce(projectId)).limits;
    } catch (error) {
      if (!isAway(error)) throw error;
      this.#failedAt = this.#now();
      if (usable !== undefined) return usable.limits;
      throw error;
    }
  }

  /** One question at a time per project, however many wait for it. */
  #askOnce(projectId: string): Promise<Copy<T>> {
    const asking = this.#asking.get(projectId) ?? this.#ask(projectId).finally(() => this.#asking.delete(projectId));
    this.#asking.set(projectId, asking);
    return asking;
  }

  async #ask(projectId: string): Promise<Copy<T>> {
    const askedAt = this.#now();
    const answer = await this.ask(projectId);
    const known = this.#copies.get(projectId);
    const copy = known !== undefined && isOlder(answer, known) ? { ...known, askedAt } : { ...answer, askedAt };
    this.#copies.delete(projectId);
    this.#copies.set(projectId, copy);
    if (this.#copies.size > this.#bounds.kept) this.#copies.delete(this.#copies.keys().next().value as string);
    return copy;
  }
}

const isAway = (error: unknown): boolean => ['unavailable', 'timeout'].includes(asSkyError(error).kind);

function isOlder(answer: LimitsAnswer<unknown>, known: LimitsAnswer<unknown>): boolean {
  const [incarnation, before] = [answer.incarnation ?? 0, known.incarnation ?? 0];
  return incarnation === before ? answer.generation < known.generation : incarnation < before;
}
