/**
 * Names of an instance's disks say whose content they hold: `disk.qcow2` is disk generation 1 (as it has always been called),
 * `disk.g<n>.qcow2` a later one; `previous-<n>.qcow2` is the disk as it was at spec generation n. Pure.
 */
export const diskName = (diskGeneration: number): string => (diskGeneration === 1 ? 'disk.qcow2' : `disk.g${diskGeneration}.qcow2`);
export const previousName = (specGeneration: number): string => `previous-${specGeneration}.qcow2`;

/** The disk generation that a file's name says; null: it is no disk. */
export function diskGenerationOf(name: string): number | null {
  const found = /^disk(?:\.g([1-9]\d{0,9}))?\.qcow2$/.exec(name);
  if (!found) return null;
  const generation = found[1] === undefined ? 1 : Number(found[1]);
  return diskName(generation) === name ? generation : null;
}

export function previousOf(name: string): number | null {
  const found = /^previous-([1-9]\d{0,9})\.qcow2$/.exec(name);
  return found && Number(found[1]);
}

/** What an instance's folder holds besides its disks; anything else in it is nobody's. */
export const OTHER_NAMES: ReadonlySet<string> = new Set(['config.iso', 'serial.log']);
const ascending = (numbers: (number | null)[]): number[] => numbers.filter((each) => each !== null).sort((a, b) => a - b);
export const disksIn = (names: readonly string[]): number[] => ascending(names.map(diskGenerationOf));
export const previousIn = (names: readonly string[]): number[] => ascending(names.map(previousOf));
