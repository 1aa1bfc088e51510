import { Inject, Injectable } from '@nestjs/common';
import { asSkyError, conflict, forbidden, stale } from '#libs/errors';
import { TEMPO, type Tempo } from '../tempo.js';
import { HostDirectory, type KnownHost } from './host-directory.js';
import { HostFeedsRepository } from './host-feeds.repository.js';

/**
 * May this session of a host speak for it? The scheduler owns hosts: one session per host (its boot id), and an epoch
 * that a fence raises. The scheduler away: what is stored here of the epoch still counts, so hosts go on working.
 */
@Injectable()
export class HostSessions {
  /** Epochs known to be stored: no write for each message. */
  readonly #stored = new Map<string, number>();

  constructor(private readonly directory: HostDirectory, private readonly feeds: HostFeedsRepository, @Inject(TEMPO) private readonly tempo: Tempo) {}

  /** The host's epoch. `epoch`: the one the host claims to be in. */
  async check(hostId: string, bootId: string, epoch?: number): Promise<number> {
    const fits = (host: KnownHost | undefined): boolean =>
      host !== undefined && (host.bootId === null || host.bootId === bootId) && (epoch === undefined || host.epoch === epoch);
    let host: KnownHost | undefined;
    try {
      host = await this.directory.find(hostId, this.tempo.sessionFreshMs);
      // It may have booted or been fenced since.
      if (!fits(host)) host = await this.directory.find(hostId, 0);
    } catch (error) {
      const { kind } = asSkyError(error);
      if (kind !== 'unavailable' && kind !== 'timeout') throw error;
      const stored = await this.feeds.epoch(hostId);
      if (stored === 0) throw error;
      if (epoch !== undefined && epoch !== stored) throw stale(`This report is of epoch ${epoch}, the host is in ${stored}.`);
      return stored;
    }
    if (host === undefined) throw forbidden('This host is not enrolled.');
    if (host.bootId !== null && host.bootId !== bootId) throw conflict('Another session speaks for this host; report the inventory first.');
    if (epoch !== undefined && epoch !== host.epoch) throw stale(`This report is of epoch ${epoch}, the host is in ${host.epoch}.`);
    if ((this.#stored.get(hostId) ?? 0) < host.epoch) {
      await this.feeds.raiseEpoch(hostId, host.epoch);
      this.#stored.set(hostId, host.epoch);
    }
    return host.epoch;
  }
}
