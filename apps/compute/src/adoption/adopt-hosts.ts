/**
 * After a restore the database follows its hosts. Asks every host what it remembers, compares (decide/compare.ts), shows; and
 * when somebody says so, makes the rows follow, has the claims booked, and lets the host go on.
 *
 * Order per host: rows (one transaction here), then claims (the scheduler's pages), then "adopted" (with the last page): only
 * then is the host fed again. A crash in between leaves a host that is not adopted; adopting it again finds what was done.
 * Hosts that cannot be asked stay as they are and hold nobody up.
 */
import { Injectable, Inject } from '@nestjs/common';
import { adoptClaims, type adoptOrphan, listHosts, readLedger, type AdoptionView, type adoptHosts, type Caller, type Flavor, type HostView, type ReceivedBy, type RememberedInstance, type viewAdoption } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { asSkyError, conflict, forbidden, notFound } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { FlavorsRepository } from '../flavors/flavors.repository.js';
import { HostDirectory } from '../hosts/host-directory.js';
import { LIMITS } from '../limits.js';
import { AdoptionRepository, type HeldClaim } from './adoption.repository.js';
import { comesAfter, compareHost, type Finding, type HostMemory } from './decide/compare.js';
import { rowFromMemory, type RememberedRow } from './decide/row-from-memory.js';

interface Asked extends HostMemory { host: HostView; incarnation: number; epoch: number; upTo: number; /** Adoptions of it that had been written when it was asked. */ asOf: number; problem: string | null }
interface Judged { asked: Asked; findings: Finding[] }

const gaveOf = ({ entries }: HostMemory): ReadonlyMap<string, string> => new Map(entries.flatMap(({ desired }) => (desired.layout?.devices ?? []).map(({ identity }) => [identity, desired.id] as const)));
const rowsFrom = (flavors: ReadonlyMap<string, Flavor>) => (entry: RememberedInstance): RememberedRow => rowFromMemory(entry, flavors);

@Injectable()
export class AdoptHosts {
  constructor(
    private readonly repository: AdoptionRepository, private readonly flavors: FlavorsRepository, private readonly directory: HostDirectory,
    @Inject(DATABASE) private readonly db: Database, @Inject(BUS) private readonly bus: Bus,
  ) {}

  async view({ caller }: ReceivedBy<typeof viewAdoption>): Promise<AdoptionView> {
    if (!caller.isAdmin) throw forbidden('Only an admin may look at the adoption of hosts.');
    return this.#show(await this.#judge());
  }

  /** One orphan of a host that goes on. Its own row and claim only: what else is on the host is as the database says. */
  async adoptOrphan({ caller, hostId, id, statement }: ReceivedBy<typeof adoptOrphan>): Promise<Record<string, never>> {
    if (!caller.isAdmin) throw forbidden('Only an admin may adopt an orphan.');
    const hosts = await this.#hosts();
    if (!hosts.every((host) => this.#isAdopted(host))) throw conflict('The database was restored and not every host is adopted yet: adopting hosts takes their orphans along.');
    const asked = await this.#askAll(hosts);
    const of = asked.find((one) => one.id === hostId);
    if (!of) throw notFound(`No host has the id ${hostId}.`);
    const silent = asked.filter(({ problem }) => problem !== null).map(({ host }) => host.name);
    if (silent.length > 0) throw conflict(`Not every host can be asked whether it has this server too: ${silent.slice(0, 5).join(', ')}${silent.length > 5 ? ' and others' : ''}.`);
    if (await this.repository.isLeaving(id)) throw conflict('A host is told to remove it.');
    const finding = compareHost({ ...of, entries: of.entries.filter(({ desired }) => desired.id === id) }, await this.repository.rows(hostId, [id]), asked).find((each) => each.id === id);
    if (!finding) throw notFound('That host remembers no such server; files without a domain tell nothing.');
    if (finding.is !== 'unknown' && finding.is !== 'agrees') throw conflict(`It cannot be adopted: ${finding.detail}.`);
    const { host, epoch, upTo } = of;
    await this.repository.follow({ id: host.id, name: host.name, zone: host.availabilityZone, upTo, epoch, gave: gaveOf(of), occasion: `an orphan was adopted (${statement})` }, [finding], rowsFrom(await this.#flavors()), caller);
    await this.#claim(of, (await this.repository.held(host.id)).filter(({ instanceId }) => instanceId === id), statement, caller);
    this.directory.hint(host.id);
    return {};
  }

  async adopt({ caller, hostIds, statement }: ReceivedBy<typeof adoptHosts>): Promise<AdoptionView> {
    if (!caller.isAdmin) throw forbidden('Only an admin may adopt hosts.');
    const end = performance.now() + LIMITS.adoptMs;
    const judged = await this.#judge();
    const remembered = rowsFrom(await this.#flavors());
    const chosen = new Map(judged.filter(({ asked: { host, problem } }) => problem === null && !this.#isAdopted(host) && (hostIds === null || hostIds.includes(host.id))).map((one) => [one.asked.id, one]));
    const followed = new Set<string>();
    const follow = async (id: HostView['id']): Promise<boolean> => {
      const one = chosen.get(id);
      if (one === undefined || followed.has(id)) return true;
      // Somebody else has come to the end of it since: it lives on, and what it was asked before is old.
      if ((await this.#hosts(id)).every((host) => this.#isAdopted(host))) return false;
      const { asked: { host, epoch, upTo, asOf }, findings } = one;
      try {
        for (const other of await this.repository.follow({ id, name: host.name, zone: host.availabilityZone, upTo, epoch, asOf, gave: gaveOf(one.asked) }, findings, remembered, caller)) this.directory.hint(other);
      } catch (error) {
        if (asSkyError(error).kind !== 'conflict') throw error;
        one.asked.problem = asSkyError(error).message;
        return false;
      }
      followed.add(id);
      return true;
    };
    // Who waits for nobody first: with each call at least they come through.
    const inOrder = [...chosen.values()].map((one) => ({ ...one, after: this.#after(one, judged) })).sort((a, b) => a.after.length - b.after.length);
    for (const { asked, after } of inOrder) {
      // Whoever asked asks again for the others.
      if (performance.now() > end) break;
      const unchosen = after.filter(({ id }) => !chosen.has(id));
      if (unchosen.length > 0) {
        asked.problem = `${unchosen.slice(0, 5).map(({ host }) => host.name).join(', ')} ${unchosen.length === 1 ? 'has' : 'have'} servers that the database says are here: adopt ${unchosen.length === 1 ? 'that host' : 'those hosts'} first, or together`;
        continue;
      }
      let isNow = true;
      for (const { host } of [...after, asked]) isNow = isNow && (await follow(host.id));
      if (!isNow) {
        asked.problem ??= 'it, or a host that has servers of it, was adopted by somebody else at the same time; look again';
        continue;
      }
      await this.#claim(asked, await this.repository.held(asked.id), statement, caller);
      this.directory.hint(asked.id);
    }
    return this.#show(judged, await this.#hosts());
  }

  /** Hosts that are not adopted yet and have servers that the database says are on this one. */
  #after({ findings }: Judged, judged: readonly Judged[]): Asked[] {
    const first = comesAfter(findings);
    return judged.flatMap(({ asked }) => (first.has(asked.id) && !this.#isAdopted(asked.host) ? [asked] : []));
  }

  async #claim({ host, epoch }: Asked, claims: readonly HeldClaim[], statement: string, { requestId, userId }: Caller): Promise<void> {
    for (let from = 0; from === 0 || from < claims.length; from += LIMITS.adoptClaims) {
      await this.bus.ask(adoptClaims, {
        hostId: host.id, incarnation: this.db.incarnation, epoch, requestId, userId, statement,
        claims: claims.slice(from, from + LIMITS.adoptClaims), last: from + LIMITS.adoptClaims >= claims.length,
      });
    }
  }

  async #flavors(): Promise<ReadonlyMap<string, Flavor>> {
    return new Map((await this.flavors.list({ isPublic: null, hideDisabled: false, sortKey: 'flavorid', sortDirection: 'asc', limit: LIMITS.adoptFlavors }, null)).map((flavor) => [flavor.id, flavor]));
  }

  async #askAll(hosts: readonly HostView[]): Promise<Asked[]> {
    const asked: Asked[] = [];
    for (let from = 0; from < hosts.length; from += LIMITS.adoptAtOnce) asked.push(...(await Promise.all(hosts.slice(from, from + LIMITS.adoptAtOnce).map((host) => this.#ask(host)))));
    return asked;
  }

  #isAdopted(host: HostView): boolean {
    return (host.adoptedIncarnation ?? this.db.incarnation) === this.db.incarnation;
  }

  async #hosts(id?: HostView['id']): Promise<HostView[]> { return (await this.bus.ask(listHosts, { ...(id !== undefined && { id }) })).hosts; }

  /** All that can be asked are asked, also adopted ones while another is not: what they have, the others have not. */
  async #judge(): Promise<Judged[]> {
    const hosts = await this.#hosts();
    if (hosts.every((host) => this.#isAdopted(host))) return hosts.map((host) => ({ asked: { id: host.id, host, entries: [], incarnation: 0, epoch: 0, upTo: 0, asOf: 0, problem: null }, findings: [] }));
    // Before anything is asked: what another adoption writes from here on makes the answers old.
    const followed = await this.repository.followed(hosts.map(({ id }) => id));
    const asked = (await this.#askAll(hosts)).map((one) => ({ ...one, asOf: followed.get(one.id) ?? 0 }));
    const judged: Judged[] = [];
    for (const one of asked) {
      if (one.problem !== null || this.#isAdopted(one.host)) {
        judged.push({ asked: one, findings: [] });
        continue;
      }
      judged.push({ asked: one, findings: compareHost(one, await this.repository.rows(one.id, one.entries.map(({ desired }) => desired.id)), asked) });
    }
    return judged;
  }

  async #ask(host: HostView): Promise<Asked> {
    const asked: Asked = { id: host.id, host, entries: [], incarnation: 0, epoch: 0, upTo: 0, asOf: 0, problem: null };
    const entries: RememberedInstance[] = [];
    try {
      for (let after = '', more = true; more;) {
        const page = await this.bus.ask(readLedger, { after }, { hostId: host.id, timeoutMs: LIMITS.adoptAskMs });
        entries.push(...page.entries);
        Object.assign(asked, { incarnation: page.incarnation, epoch: page.epoch, upTo: Math.max(asked.upTo, page.upTo, ...page.entries.map(({ sequence }) => sequence)) });
        const last = page.entries.at(-1)?.desired.id;
        more = page.more && last !== undefined && last > after;
        after = last ?? after;
      }
      return { ...asked, entries };
    } catch (error) {
      return { ...asked, problem: `It cannot be asked: ${asSkyError(error).message}` };
    }
  }

  #show(judged: readonly Judged[], now?: readonly HostView[]): AdoptionView {
    return {
      incarnation: this.db.incarnation,
      hosts: judged.map(({ asked: { host, problem }, findings }) => ({
        id: host.id, name: host.name, adopted: this.#isAdopted(now?.find(({ id }) => id === host.id) ?? host), problem,
        findings: findings.slice(0, LIMITS.adoptShown).map(({ id, name, is, detail }) => ({ instanceId: id as never, name, finding: is, detail })),
      })),
    };
  }
}
