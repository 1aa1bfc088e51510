/** What a conformance table says of one command of the distribution's openstack client: what is typed, and what must come of it. */
export interface Command {
  /** The words after `openstack`. `{name}` stands for what an earlier command of the same table kept. */
  words: readonly string[];
  /** OS_… variables instead of the admin's: another user, scope or way to log in. null takes one away. */
  env?: Readonly<Record<string, string | null>>;
  /** Its output as JSON (`-f json` is added) has at least this: of objects these members, of lists these entries, in any order; a RegExp matches text. */
  json?: unknown;
  /** What its output as JSON must not have among its entries. */
  without?: unknown;
  /** Its plain output. */
  text?: RegExp;
  /** It fails, and says this. */
  fails?: RegExp;
  /** Members of its JSON output that later commands use: name -> member. */
  keep?: Readonly<Record<string, string>>;
}

/** A table: its commands run in order, in one cloud; it cleans up what it made. */
export interface ConformanceTable { name: string; commands: readonly Command[] }
