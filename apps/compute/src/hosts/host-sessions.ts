import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { asSkyError, conflict, forbidden, stale } from '#libs/errors';
import { TEMPO, type Tempo } from '../tempo.js';
import { HostDirectory, type KnownHost } from './host-directory.js';
import { HostFeedsRepository } from './host-feeds.repository.js';

export interface HostSession {
  epoch: number;
  /** false: the host and a restored database were not compared yet; it only reports. */
  adopted: boolean;
  /** Undefined: the scheduler cannot be asked now, so what the host was told before holds. */
  leaseRequired: boolean | undefined;
}

/**
 * May this session of a host speak for it? The scheduler owns hosts: one session per host (its boot id), and an epoch
 * that a fence raises. The scheduler away: what is stored here of the epoch still counts, so hosts go on working.
 */
@Injectable()
export class HostSessions {
  /** Epochs and adoptions known to be stored: no write for each message. */
  readonly #stored = new Map<string, string>();

  constructor(private readonly directory: HostDirectory, private readonly feeds: HostFeedsRepository, @Inject(DATABASE) private readonly db: Database, @Inject(TEMPO) private readonly tempo: Tempo) {}

  /** The host's epoch. `epoch`: the one the host claims to be in. */
  async check(hostId: string, bootId: string, epoch?: number): Promise<number> {
    return (await this.session(hostId, bootId, epoch)).epoch;
  }

  /** What the host may do in its session. */
  async session(hostId: string, bootId: string, epoch?: number): Promise<HostSession> {
    const fits = (host: KnownHost | undefined): boolean =>
      host !== undefined && (host.bootId === null || host.bootId === bootId) && (epoch === undefined || host.epoch === epoch) && this.#isAdopted(host.adoptedIncarnation);
    let host: KnownHost | undefined;
    try {
      host = await this.directory.find(hostId, this.tempo.sessionFreshMs);
      // It may have booted or been fenced since.
      if (!fits(host)) host = await this.directory.find(hostId, 0);
    } catch (error) {
      const { kind } = asSkyError(error);
      if (kind !== 'unavailable' && kind !== 'timeout') throw error;
      const stored = await this.feeds.known(hostId);
      if (stored.epoch === 0) throw error;
      if (epoch !== undefined && epoch !== stored.epoch) throw stale(`This report is of epoch ${epoch}, the host is in ${stored.epoch}.`);
      return { epoch: stored.epoch, adopted: this.#isAdopted(stored.adoptedIncarnation), leaseRequired: undefined };
    }
    if (host === undefined) throw forbidden('This host is not enrolled.');
    if (host.bootId !== null && host.bootId !== bootId) throw conflict('Another session speaks for this host; report the inventory first.');
    if (epoch !== undefined && epoch !== host.epoch) throw stale(`This report is of epoch ${epoch}, the host is in ${host.epoch}.`);
    const adopted = this.#isAdopted(host.adoptedIncarnation);
    const known = `${host.epoch} ${host.adoptedIncarnation}`;
    if (this.#stored.get(hostId) !== known) {
      await this.feeds.raiseEpoch(hostId, host.epoch, host.adoptedIncarnation);
      this.#stored.set(hostId, known);
    }
    return { epoch: host.epoch, adopted, leaseRequired: host.restart === null ? undefined : host.restart === 'leased' };
  }

  #isAdopted(incarnation: number | null): boolean {
    return incarnation === null || incarnation === this.db.incarnation;
  }
}
