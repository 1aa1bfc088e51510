import { LIMITS } from './limits.js';

/** For long work on the fleet: lets everything else of the process have its turn after a while. Owns nothing; keeps a clock. */
export class Turns {
  #began = performance.now();

  get over(): boolean { return performance.now() - this.#began > LIMITS.turnMs; }

  async next(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#began = performance.now();
  }

  /** @returns what `map` makes of each, some of them in each turn */
  async map<T, R>(list: readonly T[], map: (one: T, at: number) => R): Promise<R[]> {
    const mapped: R[] = [];
    for (const [at, one] of list.entries()) {
      mapped.push(map(one, at));
      if (this.over) await this.next();
    }
    return mapped;
  }

  /** As map, where what one begins goes on by itself (an answer that is written): that counts too. */
  async each<T>(list: readonly T[], begin: (one: T, at: number) => void): Promise<void> {
    for (const [at, one] of list.entries()) {
      begin(one, at);
      await Promise.resolve();
      if (this.over) await this.next();
    }
  }
}
