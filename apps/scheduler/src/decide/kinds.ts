/**
 * What hosts are, told apart by traits and architecture. A fleet has few kinds and many hosts: what a kind cannot do is
 * found out once per question. Pure.
 */
export interface Kind { architecture: string; traits: ReadonlySet<string> }

/** The names of image properties for the names of kernels. */
const SAME: Readonly<Record<string, string>> = { amd64: 'x86_64', 'x86-64': 'x86_64', arm64: 'aarch64', i386: 'i686', i486: 'i686', i586: 'i686' };

export const canonicalArchitecture = (name: string): string => SAME[name.toLowerCase()] ?? name.toLowerCase();

export class Kinds {
  /** By index; 0 is a host of which nothing is known. */
  readonly list: Kind[] = [{ architecture: '', traits: new Set() }];
  readonly #index = new Map<string, number>([['\n', 0]]);
  /** Hosts of one make bring the very same list of traits: it is looked through once. */
  readonly #seen = new WeakMap<readonly string[], { architecture: string; kind: number }>();

  of(architecture: string, traits: readonly string[]): number {
    const seen = this.#seen.get(traits);
    if (seen?.architecture === architecture) return seen.kind;
    const kind = this.#find(architecture, traits);
    this.#seen.set(traits, { architecture, kind });
    return kind;
  }

  #find(architecture: string, traits: readonly string[]): number {
    const canonical = canonicalArchitecture(architecture);
    const sorted = [...new Set(traits)].sort();
    const key = `${canonical}\n${sorted.join(' ')}`;
    const known = this.#index.get(key);
    if (known !== undefined) return known;
    this.#index.set(key, this.list.length);
    return this.list.push({ architecture: canonical, traits: new Set(sorted) }) - 1;
  }
}
