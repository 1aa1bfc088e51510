/** Writes of one file one after another; what is asked for while one runs is done once, after it. */
export class SerialWriter {
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(private readonly save: () => Promise<void>) {}

  /** Resolves when a save that began after this call has ended. */
  write(): Promise<void> {
    if (this.#next) return this.#next;
    if (!this.#running) return this.#run();
    this.#next = this.#running.catch(() => undefined).then(() => {
      this.#next = undefined;
      return this.#run();
    });
    return this.#next;
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running.catch(() => undefined);
  }

  #run(): Promise<void> {
    const run = this.save().finally(() => {
      if (this.#running === run) this.#running = undefined;
    });
    this.#running = run;
    return run;
  }
}
