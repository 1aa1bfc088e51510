/**
 * The host's memory: what the control plane wants of it and what was done, on disk, so that guests come back with the
 * control plane down.
 *
 * Owns: one file per instance and one for the host, all under one folder; which word of the control plane is newer.
 * Never decides, never deletes an entry that was not booked as absent: one that is dropped as a mere memory is kept as a file for people. A crash between two writes leaves each file old or
 * new; `upTo` is written after the entries it covers, so at worst they are pulled again. A corrupt file is quarantined
 * and everything is pulled again; until then its domain is one this host does not know, and untouched.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DesiredInstance } from '#libs/contracts';
import { NO_PROGRESS, type Progress } from '../decide/facts.js';
import { EntryRecord, FRESH_HOST, HostRecord, quarantine, readRecord, writeRecord } from './ledger-file.js';
import { SerialWriter } from './serial-writer.js';

export interface LedgerOptions {
  readonly folder: string;
  /** false: simulated hosts; a power cut of the machine may cost the last writes. */
  readonly durable: boolean;
  readonly onProblem: (text: string) => void;
  readonly wallMs: () => number;
}

/** One page of desired state as the control plane sent it. */
export interface DesiredPage {
  readonly incarnation: number;
  readonly epoch: number;
  readonly entries: readonly { readonly sequence: number; readonly instance: DesiredInstance }[];
  readonly upTo: number;
  readonly more: boolean;
  readonly reportOnly: boolean;
}

const HOST_FILE = 'host.json';

export class Ledger {
  readonly #options: LedgerOptions;
  readonly #entries = new Map<string, EntryRecord>();
  readonly #writers = new Map<string, SerialWriter>();
  readonly #hostWriter: SerialWriter;
  #host: HostRecord = FRESH_HOST;
  /** Ids that the full pull under way has named so far; undefined: no full pull. */
  #named: Set<string> | undefined;
  /** Entries by how many whole answers in a row have left them out, since this agent runs. */
  readonly #leftOut = new Map<string, number>();
  /** On their way out of the ledger, to be kept as files. */
  readonly #dropped = new Set<string>();

  private constructor(options: LedgerOptions) {
    this.#options = options;
    this.#hostWriter = new SerialWriter(() => writeRecord(join(options.folder, HOST_FILE), this.#host, options.durable));
  }

  static async open(options: LedgerOptions): Promise<Ledger> {
    const ledger = new Ledger(options);
    await mkdir(ledger.#instances, { recursive: true, mode: 0o700 });
    await ledger.#load();
    return ledger;
  }

  get host(): HostRecord { return this.#host; }
  get entries(): ReadonlyMap<string, EntryRecord> { return this.#entries; }

  /** The next pull shall bring everything. */
  beginFullPull(): void { this.#named = new Set(); }
  get pullingAll(): boolean { return this.#named !== undefined; }

  /** The sequence to ask from, for the page after `last` (0: the first). */
  since(last: number): number { return this.#named ? last : Math.max(last, this.#host.upTo); }

  /**
   * Books one page; durable when it returns. An older incarnation's page is refused with false, and so is the first of
   * a newer incarnation unless everything is being pulled: its sequences do not continue ours.
   * @returns ids whose entry changed, or false
   */
  async accept(page: DesiredPage): Promise<readonly string[] | false> {
    if (page.incarnation < this.#host.incarnation || (page.incarnation > this.#host.incarnation && !this.#named)) return false;
    // In which world these words are to be read must be known before the words are.
    const { incarnation, epoch, reportOnly } = page;
    await this.#setHost({ incarnation, epoch, reportOnly, ...(incarnation > this.#host.incarnation && { upTo: 0 }) });
    // It only reports: nothing was said of any instance, so nobody was left out, and everything is asked for again later.
    if (reportOnly && page.entries.length === 0) {
      this.#named = undefined;
      return [];
    }
    const changed: string[] = [];
    const learned: string[] = [];
    for (const { sequence, instance } of page.entries) {
      this.#named?.add(instance.id);
      const known = this.#entries.get(instance.id);
      if (known && known.incarnation === page.incarnation && known.desired.generation > instance.generation) {
        if (!known.listed) this.#entries.set(instance.id, { ...known, listed: true });
        continue;
      }
      const same = known?.listed && known.incarnation === page.incarnation && known.sequence === sequence && known.desired.generation === instance.generation;
      if (same) {
        const desired = withOwner(known.desired, instance);
        if (desired === known.desired) continue;
        this.#entries.set(instance.id, { ...known, desired });
        learned.push(instance.id);
        continue;
      }
      // What was told to go and is wanted here again (a move came back before the ledger was let forget it) begins anew: its absence was booked.
      const isBack = known?.desired.intent === 'deleted' && instance.intent !== 'deleted';
      this.#entries.set(instance.id, { format: 1, sequence, incarnation: page.incarnation, listed: true, desired: instance, progress: known && !isBack ? known.progress : NO_PROGRESS });
      changed.push(instance.id);
    }
    await Promise.all([...changed, ...learned].map((id) => this.#write(id)));
    if (this.#named && !page.more) {
      if (!reportOnly) this.#countLeftOut(this.#named);
      changed.push(...(await this.#endFullPull(this.#named)));
    }
    const upTo = this.#named && page.more ? this.#host.upTo : page.upTo;
    if (this.#named && !page.more) this.#named = undefined;
    await this.#setHost({ upTo });
    return changed;
  }

  async bookInventory(generation: number, digest: string): Promise<void> { await this.#setHost({ inventory: { generation, digest } }); }
  async bookLease(lease: HostRecord['lease']): Promise<void> { await this.#setHost({ lease }); }

  /**
   * The session is in this epoch. A higher one than before: this host was fenced meanwhile; `newWorld`: the database was
   * restored. What the ledger says may be over then, so it is only looked at until a pull says what holds.
   */
  async bookEpoch(epoch: number, newWorld = false): Promise<void> {
    const over = this.#host.epoch !== 0 && epoch > this.#host.epoch;
    await this.#setHost({ epoch, ...((over || newWorld) && { reportOnly: true }) });
  }

  /**
   * Changes what was done for an instance; nothing happens when it is not (any more) in the ledger.
   * @returns when it is on disk. Callers for whom a repeat is harmless need not wait.
   */
  async book(id: string, change: (progress: Progress) => Progress): Promise<void> {
    const entry = this.#entries.get(id);
    if (!entry) return;
    const progress = change(entry.progress) as EntryRecord['progress'];
    if (progress === entry.progress) return;
    this.#entries.set(id, { ...entry, progress });
    await this.#write(id);
  }

  /** Drops entries whose absence is booked by the control plane; others stay, whatever it says. */
  async forget(ids: readonly string[], isProvedAbsent: (id: string) => boolean): Promise<void> {
    await Promise.all(ids.map(async (id) => {
      const entry = this.#entries.get(id);
      if (entry?.desired.intent !== 'deleted' || !isProvedAbsent(id)) return;
      this.#entries.delete(id);
      await this.#write(id);
      this.#writers.delete(id);
    }));
  }

  /**
   * How many whole answers in a row did not name it, of the incarnation that its own word is of: a database that was restored to a state of
   * before knows less, and that proves nothing.
   */
  leftOut(id: string): number { return this.#leftOut.get(id) ?? 0; }

  /** It is nobody's any more, and nothing of it is here: its file goes to those that are kept for people. */
  async drop(id: string): Promise<void> {
    if (!this.#entries.delete(id)) return;
    this.#leftOut.delete(id);
    this.#dropped.add(id);
    await this.#write(id);
    this.#writers.delete(id);
  }

  /** Resolves when everything booked so far is on disk. */
  async flush(): Promise<void> {
    await Promise.all([this.#hostWriter.idle(), ...[...this.#writers.values()].map((writer) => writer.idle())]);
  }

  get #instances(): string { return join(this.#options.folder, 'instances'); }

  #countLeftOut(named: ReadonlySet<string>): void {
    for (const [id, entry] of this.#entries) {
      if (named.has(id) || entry.incarnation !== this.#host.incarnation) this.#leftOut.delete(id);
      else this.#leftOut.set(id, this.leftOut(id) + 1);
    }
  }

  /** What the whole answer did not name is watched only: absence is no order. */
  async #endFullPull(named: ReadonlySet<string>): Promise<string[]> {
    const gone = [...this.#entries].filter(([id, entry]) => entry.listed && !named.has(id)).map(([id]) => id);
    for (const id of gone) this.#entries.set(id, { ...this.#entries.get(id)!, listed: false });
    await Promise.all(gone.map((id) => this.#write(id)));
    return gone;
  }

  async #setHost(change: Partial<HostRecord>): Promise<void> {
    const next = { ...this.#host, ...change };
    if (JSON.stringify(next) === JSON.stringify(this.#host)) return;
    this.#host = next;
    await this.#hostWriter.write();
  }

  async #write(id: string): Promise<void> {
    const path = join(this.#instances, `${id}.json`);
    let writer = this.#writers.get(id);
    if (!writer) {
      writer = new SerialWriter(async () => {
        const entry = this.#entries.get(id);
        if (entry) await writeRecord(path, entry, this.#options.durable);
        else if (this.#dropped.delete(id)) await quarantine(path, join(this.#options.folder, 'dropped'), String(this.#options.wallMs()));
        else await rm(path, { force: true });
      });
      this.#writers.set(id, writer);
    }
    try {
      await writer.write();
    } catch (error) {
      this.#options.onProblem(`ledger: ${path} cannot be written: ${String(error)}`);
      throw error;
    }
  }

  async #load(): Promise<void> {
    const host = await readRecord(join(this.#options.folder, HOST_FILE), HostRecord);
    if (host.kind === 'ok') this.#host = host.record;
    const bad: { path: string; why: string }[] = [];
    if (host.kind === 'corrupt') bad.push({ path: join(this.#options.folder, HOST_FILE), why: host.why });
    for (const name of await readdir(this.#instances)) {
      const path = join(this.#instances, name);
      if (name.endsWith('.tmp')) {
        await rm(path, { force: true });
        continue;
      }
      const entry = await readRecord(path, EntryRecord);
      if (entry.kind === 'ok' && `${entry.record.desired.id}.json` === name) this.#entries.set(entry.record.desired.id, entry.record);
      else if (entry.kind !== 'missing') bad.push({ path, why: entry.kind === 'corrupt' ? entry.why : 'name' });
    }
    if (bad.length === 0) return;
    // First that everything must be pulled, then the move: between the two nothing is forgotten.
    await this.#setHost({ upTo: 0 });
    for (const { path, why } of bad) {
      const to = await quarantine(path, join(this.#options.folder, 'quarantine'), String(this.#options.wallMs()));
      this.#options.onProblem(`ledger: ${path} does not read back (${why}); kept as ${to}; everything is pulled again`);
    }
    await this.#hostWriter.write();
  }
}

/** What only a restore asks for, of agents of before that did not keep it: the same word, with what was lost of it. Nothing of it is acted on. */
function withOwner(known: DesiredInstance, { userId, flavorId, groupId, hints }: DesiredInstance): DesiredInstance {
  const learned = { ...(userId !== undefined && { userId }), ...(flavorId !== undefined && { flavorId }), ...(groupId !== undefined && { groupId }), ...(hints !== undefined && { hints }) };
  return Object.entries(learned).every(([name, value]) => JSON.stringify(known[name as keyof typeof learned]) === JSON.stringify(value)) ? known : { ...known, ...learned };
}
