/**
 * Guest cells onto host cells, no two on the same: the two classical algorithms, exact and polynomial, so that a no is a
 * no whatever the number of cells. Pure.
 */

/** Most columns a search has room for; contracts allow cells 0..1023. */
const MOST = 1024;
const ownerOf = new Int16Array(MOST);
const seen = new Uint32Array(MOST);
let round = 0;

/**
 * How many of `rows` get a column of their own (Kuhn).
 * @param may 1 where row r (at r × columns + c) may have column c.
 */
export function matching(rows: number, columns: number, may: Uint8Array): number {
  ownerOf.fill(-1, 0, columns);
  let matched = 0;
  for (let row = 0; row < rows; row += 1) {
    round = round === 0xffff_ffff ? 1 : round + 1;
    if (augment(row, columns, may)) matched += 1;
  }
  return matched;
}

function augment(row: number, columns: number, may: Uint8Array): boolean {
  for (let column = 0; column < columns; column += 1) {
    if (may[row * columns + column] === 0 || seen[column] === round) continue;
    seen[column] = round;
    if (ownerOf[column] === -1 || augment(ownerOf[column]!, columns, may)) {
      ownerOf[column] = row;
      return true;
    }
  }
  return false;
}

/**
 * The cheapest way to give each row a column of its own (Hungarian, by potentials); rows <= columns.
 * @param cost of row r with column c at r × columns + c; Infinity: not allowed.
 * @returns the column of each row; null: there is no way.
 */
export function cheapest(rows: number, columns: number, cost: Float64Array): number[] | null {
  const rowPotential = new Float64Array(rows + 1);
  const columnPotential = new Float64Array(columns + 1);
  // Column 0 is the row that looks for a place; rows and columns count from 1 here.
  const rowOf = new Int32Array(columns + 1);
  const cameFrom = new Int32Array(columns + 1);
  for (let row = 1; row <= rows; row += 1) {
    rowOf[0] = row;
    let at = 0;
    const least = new Float64Array(columns + 1).fill(Infinity);
    const done = new Uint8Array(columns + 1);
    do {
      done[at] = 1;
      const from = rowOf[at]!;
      let delta = Infinity;
      let next = -1;
      for (let column = 1; column <= columns; column += 1) {
        if (done[column] === 1) continue;
        const reduced = cost[(from - 1) * columns + column - 1]! - rowPotential[from]! - columnPotential[column]!;
        if (reduced < least[column]!) {
          least[column] = reduced;
          cameFrom[column] = at;
        }
        if (least[column]! < delta) {
          delta = least[column]!;
          next = column;
        }
      }
      if (next < 0) return null;
      for (let column = 0; column <= columns; column += 1) {
        if (done[column] === 1) {
          rowPotential[rowOf[column]!]! += delta;
          columnPotential[column]! -= delta;
        } else {
          least[column]! -= delta;
        }
      }
      at = next;
    } while (rowOf[at] !== 0);
    while (at !== 0) {
      const before = cameFrom[at]!;
      rowOf[at] = rowOf[before]!;
      at = before;
    }
  }
  const columnOf = new Array<number>(rows).fill(-1);
  for (let column = 1; column <= columns; column += 1) if (rowOf[column]! > 0) columnOf[rowOf[column]! - 1] = column - 1;
  return columnOf;
}
