/** A schedule for the fake hypervisor that holds what it would do later until a test lets go of it: what is slow is slow by order, however fast the machine is. */
export class Held {
  readonly #tasks = new Set<() => void>();
  #held = true;

  readonly schedule = (_ms: number, task: () => void): (() => void) => {
    if (this.#held) this.#tasks.add(task);
    else setImmediate(task);
    return () => void this.#tasks.delete(task);
  };

  hold(): void { this.#held = true; }
  release(): void {
    this.#held = false;
    for (const task of this.#tasks) task();
    this.#tasks.clear();
  }
}
