// What is on guests' disks, told from the machines' files alone: where each disk came from, when it was made, and that no
// guest is started beside a younger copy of its disk, or on an empty disk in place of one that it had written to.
export class GuestDisks {
  /** `${id} ${host}` -> Map(disk generation -> { bornAt, from, used }) */
  #disks = new Map();
  #coming = new Map();
  #power = new Map();
  /** Disks that were made where the guest had used one of the same generation: legal only for what never was handed out. */
  suspects = [];
  #used = new Map();
  constructor(world, violated, wasFenced) { Object.assign(this, { world, violated, wasFenced }); }

  of(id, host) { return this.#disks.get(`${id} ${host}`) ?? new Map(); }
  copies(id, from, to) {
    this.#coming.set(`${id} ${to}`, from);
    if (this.#isOn(id, from)) this.violated('copied while on', `the disk of ${id} was sent from ${from} where it runs`);
  }

  saw(id, host, kept) {
    const key = `${id} ${host}`;
    const mine = this.of(id, host);
    const there = kept?.disks ?? [];
    for (const generation of [...mine.keys()]) if (!there.includes(generation)) mine.delete(generation);
    for (const generation of there) {
      if (mine.has(generation)) continue;
      const from = this.#coming.get(key);
      this.#coming.delete(key);
      if (from === undefined && this.#used.has(`${id} ${generation}`)) this.suspects.push({ id, host, generation, at: this.world.now });
      mine.set(generation, { bornAt: this.world.now, from });
    }
    this.#disks.set(key, mine);
    const was = this.#isOn(id, host);
    this.#power.set(key, kept?.power ?? null);
    if (!was && this.#isOn(id, host)) this.#started(id, host, kept.notes?.diskGeneration ?? 1);
  }

  #isOn(id, host) { return ['running', 'paused'].includes(this.#power.get(`${id} ${host}`)); }

  #started(id, host, generation) {
    this.#used.set(`${id} ${generation}`, host);
    const disk = this.of(id, host).get(generation);
    for (const [key, others] of this.#disks) {
      if (!key.startsWith(`${id} `) || others.size === 0) continue;
      const other = key.slice(id.length + 1);
      if (other === host || disk?.from === other || this.wasFenced(other)) continue;
      this.violated('started beside a copy', `${id} was started on ${host} while ${other} has a disk of it`);
    }
  }
}
