import { Inject, Injectable } from '@nestjs/common';
import { buildEnded, hostHint, listHosts } from '#libs/contracts';
import { BUS, type Bus } from '#libs/messaging';
import { LIMITS } from '../limits.js';
import { TEMPO, type Tempo } from '../tempo.js';

export interface KnownHost { name: string; alive: boolean; epoch: number; bootId: string | null; lastSeenAt: string | null; capabilities: readonly string[];
  /** null: a scheduler that does not know of adoption. */
  adoptedIncarnation: number | null; restart: string | null }
interface Entry { host: KnownHost | undefined; at: number }

/**
 * What the scheduler, who owns hosts, says of them: alive, epoch, session. Kept for seconds, asked host by host (a
 * thousand hosts' inventories do not fit one message). Also rings a host's bell; a lost ring costs time only.
 */
@Injectable()
export class HostDirectory {
  readonly #entries = new Map<string, Entry>();
  readonly #asking = new Map<string, Promise<Entry>>();
  readonly #hinted = new Set<string>();

  constructor(@Inject(BUS) private readonly bus: Bus, @Inject(TEMPO) private readonly tempo: Tempo) {}

  /** The host as it was known at most `freshMs` ago, undefined when the scheduler knows none of that id. Throws `unavailable` or `timeout` when it cannot be asked. */
  async find(hostId: string, freshMs = this.tempo.hostFreshMs): Promise<KnownHost | undefined> {
    const known = this.#entries.get(hostId);
    if (known && performance.now() - known.at < freshMs) return known.host;
    return (await this.#ask(hostId)).host;
  }

  /**
   * Names of hosts that were not adopted since that incarnation began, and are not fenced: they may have what the database does
   * not know of. The first few.
   */
  async unadopted(incarnation: number): Promise<string[]> {
    const { hosts } = await this.bus.ask(listHosts, { adoptedBefore: incarnation, limit: 3 });
    return hosts.filter(({ adoptedIncarnation, fenced }) => adoptedIncarnation !== undefined && adoptedIncarnation < incarnation && fenced !== true).map(({ name }) => name);
  }

  /** Something changed in this host's desired state. */
  hint(hostId: string): void {
    if (this.#hinted.size < LIMITS.hostsKept) this.#hinted.add(hostId);
    this.bus.hint(hostHint, {}, { hostId });
  }

  /** A build ended there; the scheduler keeps away from hosts on which they keep failing. */
  buildEnded(hostId: string, good: boolean): void {
    this.bus.hint(buildEnded, { hostId: hostId as never, good });
  }

  /** Was its bell rung from here since it asked last? Then there is something to tell it; else mostly not. */
  takeHint(hostId: string): boolean { return this.#hinted.delete(hostId); }

  #ask(hostId: string): Promise<Entry> {
    const asking = this.#asking.get(hostId) ?? this.bus.ask(listHosts, { id: hostId })
      .then(({ hosts }) => {
        const view = hosts.find(({ id }) => id === hostId);
        const host = view && { name: view.name, alive: view.alive, epoch: view.epoch, bootId: view.bootId, lastSeenAt: view.lastSeenAt, capabilities: view.capabilities, adoptedIncarnation: view.adoptedIncarnation ?? null, restart: view.restart ?? null };
        const entry = { host, at: performance.now() };
        this.#entries.delete(hostId);
        this.#entries.set(hostId, entry);
        if (this.#entries.size > LIMITS.hostsKept) this.#entries.delete(this.#entries.keys().next().value as string);
        return entry;
      })
      .finally(() => this.#asking.delete(hostId));
    this.#asking.set(hostId, asking);
    return asking;
  }
}
