/**
 * Classes and pools: made, changed and deleted by operators. Owns both; what they mean on hosts follows by the placer. A change is
 * thought through on every host before, and made in one transaction in which no device that it takes away can be claimed. A crash
 * before the commit: nothing was done; after it: the placer goes on.
 */
import { Inject, Injectable } from '@nestjs/common';
import {
  DeviceClass, DevicePool, type Caller, type createDeviceClass, type createDevicePool, type deleteDeviceClass, type deleteDevicePool, type DeviceMatch, type DeviceMatchChange, type DevicePlan, flavorsOfDeviceClass, type ReceivedBy, type updateDeviceClass, type updateDevicePool,
} from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { asSkyError, badRequest, conflict, forbidden, notFound, overQuota, unavailable } from '#libs/errors';
import { BUS, type Bus } from '#libs/messaging';
import { deviceResource } from '../decide/provider.js';
import { byOf, type By } from '../hosts/hosts.repository.js';
import { LIMITS } from '../limits.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { Turns } from '../turns.js';
import { PlanMaker, type Change } from './decide/plan.js';
import type { Definitions } from './decide/stock.js';
import { DefinitionsRepository } from './definitions.repository.js';
import { DevicePlacer } from './device-placer.reconciler.js';
import { DevicesRepository } from './devices.repository.js';

interface Asked { caller: Caller; dryRun: boolean; yesReally: boolean }
/** null: it stands so already. */
type Make = (now: Definitions) => Change | null;

@Injectable()
export class DeviceDefinitions {
  constructor(
    private readonly devices: DevicesRepository, private readonly definitions: DefinitionsRepository, private readonly placer: DevicePlacer, private readonly snapshot: Snapshot,
    @Inject(DATABASE) private readonly db: Database, @Inject(BUS) private readonly bus: Bus,
  ) {}

  createClass(input: ReceivedBy<typeof createDeviceClass>): Promise<DevicePlan> {
    return this.#change(input, ({ classes }) => {
      const there = classes.get(input.class.name);
      if (there !== undefined) {
        if (same(there, input.class)) return null;
        throw conflict(`Device class ${input.class.name} already exists.`);
      }
      const alike = [...classes.keys()].find((name) => deviceResource(name) === deviceResource(input.class.name));
      if (alike !== undefined) throw conflict(`Device class ${alike} is ${deviceResource(alike)} in placement's words already, and so would ${input.class.name} be. Choose a name that differs in letters or digits.`);
      if (classes.size >= LIMITS.deviceClasses) throw overQuota(`There may be ${LIMITS.deviceClasses} device classes, and there are as many. Delete one that is not needed.`);
      return { class: { before: null, after: input.class } };
    });
  }

  updateClass(input: ReceivedBy<typeof updateDeviceClass>): Promise<DevicePlan> {
    return this.#change(input, ({ classes }) => {
      const before = classes.get(input.name);
      if (before === undefined) throw noClass(input.name);
      const { match, matchChange, ...change } = input.change;
      const after = DeviceClass.parse({ ...before, ...given(change), match: changed(before.match, match, matchChange) });
      return same(before, after) ? null : { class: { before, after } };
    });
  }

  async deleteClass(input: ReceivedBy<typeof deleteDeviceClass>): Promise<DevicePlan> {
    demandAdmin(input.caller);
    const flavors = await this.#flavorsOf(input.name);
    return this.#change(input, ({ classes }) => {
      const before = classes.get(input.name);
      if (before === undefined) throw noClass(input.name);
      return { class: { before, after: null, flavors } };
    });
  }

  createPool(input: ReceivedBy<typeof createDevicePool>): Promise<DevicePlan> {
    return this.#change(input, ({ classes, pools }) => {
      const { pool } = input;
      if (!classes.has(pool.className)) throw badRequest(`There is no device class ${pool.className}. Make it first: skylite device class create.`);
      const there = pools.find(({ id }) => id === pool.id);
      if (there !== undefined) {
        if (same(there, pool)) return null;
        throw conflict(`A device pool with the id ${pool.id} already exists.`);
      }
      this.#nameIsFree(pools, pool);
      if (pools.length >= LIMITS.devicePools) throw overQuota(`There may be ${LIMITS.devicePools} device pools, and there are as many. Delete one that is not needed.`);
      check(pool);
      return { pool: { before: null, after: pool } };
    });
  }

  updatePool(input: ReceivedBy<typeof updateDevicePool>): Promise<DevicePlan> {
    return this.#change(input, ({ pools }) => {
      const before = pools.find(({ id }) => id === input.id);
      if (before === undefined) throw noPool(input.id);
      const { match, matchChange, policy, ...change } = input.change;
      // On what stands now: what another one has changed since the asker looked stays.
      const after = DevicePool.parse({ ...before, ...given(change), match: changed(before.match, match, matchChange), policy: { ...before.policy, ...given(policy ?? {}) } });
      this.#nameIsFree(pools, after);
      check(after);
      return same(before, after) ? null : { pool: { before, after } };
    });
  }

  deletePool(input: ReceivedBy<typeof deleteDevicePool>): Promise<DevicePlan> {
    return this.#change(input, ({ pools }) => {
      const before = pools.find(({ id }) => id === input.id);
      if (before === undefined) throw noPool(input.id);
      return { pool: { before, after: null } };
    });
  }

  /** Flavors are compute's: what only it knows is not guessed. One that is written at this very moment finds no class when a server is made of it, which is said then. */
  async #flavorsOf(className: DeviceClass['name']): Promise<{ names: string[]; count: number }> {
    try {
      return await this.bus.ask(flavorsOfDeviceClass, { className });
    } catch (error) {
      if (!['unavailable', 'timeout'].includes(asSkyError(error).kind)) throw error;
      throw unavailable(`Whether flavors ask for device class ${className} only compute knows, and it does not answer. Nothing was deleted. Try again when it is back.`, { retryAfterS: 5 });
    }
  }

  async #change({ caller, dryRun, yesReally }: Asked, make: Make): Promise<DevicePlan> {
    demandAdmin(caller);
    // Somebody else's change, or a claim on what would go, in between: it is thought through again.
    for (let attempt = 0; attempt < LIMITS.claimAttempts; attempt += 1) {
      const now = await this.devices.definitions();
      const change = make(now);
      if (change === null) return NOTHING;
      const maker = new PlanMaker(now, applied(now, change), change);
      await this.#think(maker);
      const plan = maker.finish();
      if (dryRun) return plan;
      refuse(plan, yesReally);
      if (await this.#make(change, maker, now.version, byOf(caller))) {
        this.placer.wake();
        this.snapshot.wake();
        return plan;
      }
    }
    throw unavailable('Device classes and pools, or claims on what this would take away, are changing all the time. Try again.', { retryAfterS: 1 });
  }

  async #think(maker: PlanMaker): Promise<void> {
    const hosts = await this.devices.hosts();
    const turns = new Turns();
    for (let at = 0; at < hosts.length; at += LIMITS.planHosts) {
      const some = hosts.slice(at, at + LIMITS.planHosts);
      const stock = await this.devices.stock(some.map(({ id }) => id));
      for (const host of some) {
        maker.add(host, stock.get(host.id)!);
        if (turns.over) await turns.next();
      }
    }
  }

  /** false: it is not as it was thought through. */
  #make(change: Change, { touched, leaving, withheld }: PlanMaker, version: number, by: By): Promise<boolean> {
    return this.db.transaction(async (client) => {
      await this.definitions.turn(client);
      if (await this.definitions.versionBefore(client) !== version) return this.definitions.undo(client);
      const pool = 'pool' in change ? change.pool : null;
      await this.devices.lock(client, [...new Set([...touched, ...(pool?.before ? await this.definitions.hostsOf(client, pool.before.id) : [])])]);
      const gone = pool !== null && pool.after === null ? pool.before!.id : null;
      if (await this.definitions.anyHeld(client, [...leaving, ...withheld], gone)) return this.definitions.undo(client);
      await this.definitions.write(client, change, by);
      await this.definitions.takeOut(client, leaving, withheld);
      return true;
    });
  }

  #nameIsFree(pools: readonly DevicePool[], { id, name }: DevicePool): void {
    if (pools.some((one) => one.name === name && one.id !== id)) throw conflict(`A device pool ${name} already exists.`);
  }
}

export const NOTHING: DevicePlan = { hosts: 0, counts: {}, effects: [], more: false, refusals: [], warnings: [] };
const noClass = (name: string) => notFound(`Device class ${name} could not be found.`);
const noPool = (id: string) => notFound(`Device pool ${id} could not be found.`);
const given = <T extends object>(change: T): Partial<T> => Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as Partial<T>;
/** A match without anything said of a criterion does not ask for it. */
const changed = (before: DeviceMatch, match: DeviceMatch | undefined, change: DeviceMatchChange | undefined): DeviceMatch =>
  Object.fromEntries(Object.entries({ ...(match ?? before), ...given(change ?? {}) }).filter(([, value]) => value !== null)) as DeviceMatch;
/** Both read by the same schema, so their keys come in the same order; matches are as they were written. */
const same = (one: DeviceClass | DevicePool, other: DeviceClass | DevicePool): boolean => sorted(one) === sorted(other);
const sorted = (value: unknown): string => JSON.stringify(value, (_key, part: unknown) => (part !== null && typeof part === 'object' && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part));

function applied({ classes, pools }: Definitions, change: Change): Definitions {
  if ('pool' in change) {
    const { before, after } = change.pool;
    return { classes, pools: [...pools.filter(({ id }) => id !== before?.id), ...(after === null ? [] : [after])] };
  }
  const next = new Map(classes);
  if (change.class.before !== null) next.delete(change.class.before.name);
  if (change.class.after !== null) next.set(change.class.after.name, change.class.after);
  return { classes: next, pools };
}

function demandAdmin({ isAdmin }: Caller): void {
  if (!isAdmin) throw forbidden('Only an admin may change device classes and pools.');
}

function check(pool: DevicePool): void {
  if (pool.mode === 'functions' && pool.vfCount !== null) throw badRequest('A pool of whole functions keeps no VFs: leave vfCount out.');
  if (pool.mode === 'vfs' && pool.match.kind !== undefined && !pool.match.kind.includes('pf')) throw badRequest('A pool that keeps VFs matches the PFs that have them: say "kind": ["pf"], or leave it out.');
  if (pool.policy.minTxMbps > pool.policy.maxTxMbps && pool.policy.maxTxMbps > 0) throw badRequest('minTxMbps is above maxTxMbps.');
}

function refuse(plan: DevicePlan, yesReally: boolean): void {
  if (plan.refusals.length > 0) throw conflict(plan.refusals.map(({ sentence }) => sentence).join(' ').slice(0, 2_000), { details: { plan: { ...plan } } });
  if (plan.warnings.length > 0 && !yesReally) {
    throw conflict(`${plan.warnings.map(({ sentence }) => sentence).join(' ').slice(0, 2_000)} If that is meant: --yes-really (yesReally).`, { details: { plan: { ...plan } } });
  }
}
