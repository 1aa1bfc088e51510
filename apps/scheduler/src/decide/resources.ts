/** What one host has of custom resource classes, and what of it is claimed. Pure; a copy of rows. */
export class HostResources {
  readonly #used: Map<string, number>;

  constructor(readonly limits: Readonly<Record<string, number>>, before: HostResources | null) {
    this.#used = new Map(before === null ? [] : before.#used);
  }

  /** Below 0 where more is claimed than there is. */
  free(name: string): number {
    return (Object.hasOwn(this.limits, name) ? this.limits[name]! : 0) - (this.#used.get(name) ?? 0);
  }

  /** Answers whether anything differed. */
  setUsed(used: Readonly<Record<string, number>>): boolean {
    const now = Object.entries(used).filter(([, amount]) => amount !== 0);
    if (now.length === this.#used.size && now.every(([name, amount]) => this.#used.get(name) === amount)) return false;
    this.#used.clear();
    for (const [name, amount] of now) this.#used.set(name, amount);
    return true;
  }

  used(): Record<string, number> {
    return Object.fromEntries(this.#used);
  }

  take(amounts: Readonly<Record<string, number>>): void {
    for (const [name, amount] of Object.entries(amounts)) this.#used.set(name, (this.#used.get(name) ?? 0) + amount);
  }
}
