/**
 * The numbers of all hosts' cells in one flat array, so that ten thousand hosts are looked through without following a
 * pointer. A copy of what HostCells knows, written by it whenever that changes. Pure; owns nothing.
 */

/** Columns of a row. Memory in MiB, pages too (their free number times their size). */
export const FREE_CPUS = 0;
/** Cores of which all dedicated CPUs are free and none is shared. */
export const WHOLE_CORES = 1;
/** Free dedicated CPUs on cores that have at least two of them. */
export const SIBLINGS = 2;
export const FREE_MEMORY = 3;
export const SHARED_CPUS = 4;
export const FREE_2M = 5;
export const FREE_1G = 6;
/** 1: it has pages of other sizes too, which only HostCells knows. */
export const OTHER_PAGES = 7;
export const DEDICATED_CPUS = 8;
export const MEMORY = 9;
/** Columns of a row, and where the next one starts. */
export const STRIDE = 10;

export class CellTable {
  data = new Int32Array(64 * STRIDE);
  #end = 0;
  /** Runs of rows that nobody uses, by their length. */
  readonly #unused = new Map<number, number[]>();

  /** @returns where a run of `count` rows begins. */
  allocate(count: number): number {
    const again = this.#unused.get(count)?.pop();
    if (again !== undefined) return again;
    const start = this.#end;
    this.#end += count * STRIDE;
    if (this.#end > this.data.length) {
      const grown = new Int32Array(Math.max(this.data.length * 2, this.#end));
      grown.set(this.data);
      this.data = grown;
    }
    return start;
  }

  release(start: number, count: number): void {
    const runs = this.#unused.get(count);
    if (runs) runs.push(start);
    else this.#unused.set(count, [start]);
  }
}
