/**
 * Which images hosts have, told apart by whole sets: a fleet has few of them and many hosts, so that who has an image is found out
 * once for each set. Pure; a copy of what hosts said.
 */
export class ImageSets {
  /** By index; 0 is a host that has none. */
  readonly list: ReadonlySet<string>[] = [new Set()];
  readonly #keys: string[] = [''];
  readonly #hosts: number[] = [Infinity];
  readonly #index = new Map<string, number>([['', 0]]);
  readonly #unused: number[] = [];

  /** One host more has these. @returns the set's index, which the host keeps until `release` */
  take(images: readonly string[]): number {
    const sorted = [...new Set(images)].sort();
    const key = sorted.join();
    const known = this.#index.get(key);
    if (known !== undefined) {
      this.#hosts[known]! += 1;
      return known;
    }
    const index = this.#unused.pop() ?? this.list.length;
    this.#index.set(key, index);
    this.list[index] = new Set(sorted);
    this.#keys[index] = key;
    this.#hosts[index] = 1;
    return index;
  }

  release(index: number): void {
    this.#hosts[index]! -= 1;
    if (this.#hosts[index]! > 0) return;
    this.#index.delete(this.#keys[index]!);
    this.list[index] = this.list[0]!;
    this.#unused.push(index);
  }
}
