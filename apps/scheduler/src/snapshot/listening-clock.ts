/**
 * Time in which this process could hear hosts. Silence proves something only to one who listened: while the bus is away,
 * for a grace after it came back (everybody reconnects at once), and while this process itself stood still, the clock stands.
 * Keeps three numbers; after a crash the next process starts its own.
 */
export class ListeningClock {
  #deafMs = 0;
  #deafFrom: number | null = null;
  #deafTo = Infinity;

  constructor(private readonly realNow: () => number = () => performance.now()) {}

  /** Milliseconds listened; never goes back. */
  now(): number {
    const real = this.realNow();
    if (this.#deafFrom === null) return real - this.#deafMs;
    if (real < this.#deafTo) return this.#deafFrom - this.#deafMs;
    this.#deafMs += this.#deafTo - this.#deafFrom;
    this.#deafFrom = null;
    return real - this.#deafMs;
  }

  get deaf(): boolean {
    this.now();
    return this.#deafFrom !== null;
  }

  /** Nothing can be heard until hearAgain(). @param sinceMs how long ago that began. */
  deafen(sinceMs = 0): void {
    const listened = this.now();
    if (this.#deafFrom === null) this.#deafFrom = this.realNow() - Math.max(0, Math.min(sinceMs, listened));
    this.#deafTo = Infinity;
  }

  /** It can be heard again; others need `graceMs` to speak again. */
  hearAgain(graceMs: number): void {
    this.now();
    this.#deafFrom ??= this.realNow();
    this.#deafTo = this.realNow() + graceMs;
  }
}
