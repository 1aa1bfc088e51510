/**
 * What a change of a class or pool would do, host by host, and what of it is refused: nobody loses a device that he has, no function
 * gets two pools, no PF loses VFs in use. Warnings are what an operator may want all the same. Owns nothing but what it has added
 * up. Pure.
 */
import type { DeviceClass, DeviceEffect, DevicePlan, DevicePool, HostDevice, HostId, InstanceId } from '#libs/contracts';
import { fits, saysNothing, type HostFacts } from './match.js';
import { gather, matching, resolve, vfNamed, vfsOf, type Here, type Place } from './resolve.js';
import { DEVICES_PER_HOST, heldBy, isClean, isGivenUp, type Definitions, type StockDevice } from './stock.js';

/** null: there is none before, or none after. */
export type Change = { pool: { before: DevicePool | null; after: DevicePool | null } } | { class: { before: DeviceClass | null; after: DeviceClass | null; /** That ask for it; left out: not looked for. */ flavors?: { names: readonly string[]; count: number } } };

/** Entries of lists in a plan; what is counted is all of it. */
export const PLAN_LIST = 500;
/** A host with fewer functions is no proof that a match takes everything. */
const MANY = 4;

type Server = DevicePlan['refusals'][number]['servers'][number];
type Row = StockDevice;

export class PlanMaker {
  readonly #plan: DevicePlan = { hosts: 0, counts: {}, effects: [], more: false, refusals: [], warnings: [] };
  readonly #refusals = new Map<string, { sentence: string; servers: Server[]; times: number }>();
  readonly #warnings = new Map<string, { sentence: string; times: number }>();
  #matched = 0;
  #offered = 0;
  /** Hosts on which something would leave or go to another place. */
  readonly touched = new Set<string>();
  /** Ids of devices that nobody may have, nor get, when the change is made: those that leave their pool, and those that are not given out for now. */
  readonly leaving: string[] = [];
  readonly withheld: string[] = [];

  constructor(private readonly before: Definitions, private readonly after: Definitions, private readonly change: Change) {}

  add(host: HostFacts, all: readonly Row[]): void {
    const rows = all.filter(({ forgotten }) => !forgotten).map((row) => (isGivenUp(row) ? unheld(row) : row));
    const here = gather(rows);
    const was = resolve(host, rows, this.before, false);
    const becomes = resolve(host, rows, this.after, false);
    const byIdentity = new Map(rows.map((row) => [row.identity, row]));
    for (const row of rows) this.#judgeRow(host, row);
    for (const one of here.values()) this.#compare(host, byIdentity.get(one.device.identity)!, one, was.places.get(one.device.identity)!, becomes.places.get(one.device.identity)!);
    for (const row of rows) this.#judgeMissing(host, row, byIdentity.get(vfNamed(row.identity)?.pf ?? ''), was.places, becomes.places);
    if ('pool' in this.change) {
      // One that was there already is no reason against a change that leaves it as it is.
      const had = new Set(was.clashes.filter(({ pools }) => pools.some(({ id }) => id === this.#pool?.id)).map(({ identity }) => identity));
      for (const { identity, pools } of becomes.clashes) {
        if (!had.has(identity) && pools.some(({ id }) => id === this.#pool?.id)) this.#refuse('two-pools', `${pools.map(({ name }) => name).join(' and ')} would both match one function (${identity} on ${host.name}, for example): make their matches narrower.`, []);
      }
      if (this.#pool !== null) this.#judgePool(host, here, byIdentity, this.#pool);
    }
  }

  finish(): DevicePlan {
    const plan = this.#plan;
    if (this.#pool !== null) {
      if (saysNothing(this.#pool.match)) this.#warn('matches-everything', `Pool ${this.#pool.name} says nothing of the functions it matches: it is all of them, those of hosts that come later too.`);
      if (this.#matched === 0) this.#warn('matches-nothing', `No function of any host that has reported its devices is matched by pool ${this.#pool.name}.`);
      else if (this.#offered === 0 && this.#pool.mode === 'functions') this.#warn('class-matches-none', `Of what pool ${this.#pool.name} matches, nothing is of class ${this.#pool.className} or can be given out now.`);
    }
    if ('class' in this.change) this.#judgeClass(this.change.class);
    plan.refusals = [...this.#refusals].map(([code, { sentence, servers, times }]) => ({ code, sentence: again(sentence, times), servers }));
    plan.warnings = [...this.#warnings].map(([code, { sentence, times }]) => ({ code, sentence: again(sentence, times) }));
    return plan;
  }

  get #pool(): DevicePool | null { return 'pool' in this.change ? this.change.pool.after : null; }

  #compare(host: HostFacts, row: Row, { device }: Here, was: Place, becomes: Place): void {
    // What it has now counts more than what it would have: it may have been kept.
    const given = (place: Place): boolean => place.role === 'offered' || place.role === 'companion';
    const [from, to] = [was.poolId, becomes.poolId];
    if (from !== to && this.#concerns(from)) {
      this.#effect(host, row, 'leaves', `${device.address} on ${host.name} leaves pool ${nameOf(this.before, from)}.`);
      this.leaving.push(row.id);
      if (!this.#ends) this.#mayLeave(host, row, 'It would leave its pool');
    }
    if (from !== to && this.#concerns(to)) {
      const note = becomes.role === 'withheld' ? ` It is not given out: ${becomes.note ?? ''}` : '';
      this.#effect(host, row, becomes.role === 'withheld' ? 'refused' : 'joins', `${device.address} on ${host.name} (${device.vendor}:${device.product}) joins pool ${nameOf(this.after, to)}.${note}`);
      if (given(becomes) && device.driver !== null && device.driver !== 'vfio-pci' && this.#pool?.driver === 'vfio-pci') this.#effect(host, row, 'bind', `${device.address} on ${host.name} is taken from its driver ${device.driver} and bound to vfio-pci.`);
    }
    if (from === to && from !== null && given(was) && becomes.role === 'withheld' && !this.#remade(row)) {
      this.#effect(host, row, 'changes-class', `${device.address} on ${host.name} is not given out any more: ${becomes.note ?? ''}`);
      this.withheld.push(row.id);
      this.#mayLeave(host, row, 'It would not be of its class any more');
    } else if (from === to && from !== null && !given(was) && was.role === 'withheld' && given(becomes)) {
      this.#effect(host, row, 'changes-class', `${device.address} on ${host.name} is given out from now on.`);
    }
    if (becomes.role === 'offered' && becomes.poolId === this.#pool?.id) this.#offered += 1;
  }

  /** A VF that is to be made again, of a server: it leaves with its PF. Of a PF that is not there either, what was seen of it last counts. */
  #judgeMissing(host: HostFacts, row: Row, pf: Row | undefined, was: ReadonlyMap<string, Place>, becomes: ReadonlyMap<string, Place>): void {
    const vf = row.missing && !this.#ends && this.#concerns(row.poolId) ? vfNamed(row.identity) : null;
    if (vf === null) return;
    if (was.get(vf.pf)?.poolId === row.poolId && becomes.get(vf.pf)?.poolId !== row.poolId) this.#mayLeave(host, row, 'It would leave its pool');
    const pool = this.#pool;
    if (pool === null || row.poolId !== pool.id || pf?.missing !== true || pf.facts === null) return;
    if (matching({ device: pf.facts, nativeDriver: pf.nativeDriver, pf: null }, [pool], host).length === 0) this.#mayLeave(host, row, 'It would leave its pool');
    else if (vf.index >= vfsOf(pool, pf.facts)) this.#mayVanish(host, row, pf.facts, vfsOf(pool, pf.facts), 0);
  }

  /** The pool or class is to be deleted. */
  get #ends(): boolean { return 'pool' in this.change ? this.change.pool.after === null : this.change.class.after === null; }

  /** Whatever is not there now, or was kept by its server, counts too. */
  #judgeRow(host: HostFacts, row: Row): void {
    if (!this.#ends) return;
    if ('pool' in this.change) {
      if (row.poolId === this.change.pool.before?.id) this.#mayLeave(host, row, 'Its pool would be gone');
      return;
    }
    const name = this.change.class.before?.name;
    if (row.holder?.className === name) this.#mayLeave(host, row, 'Its class would be gone');
    else if (row.lastClass === name && row.generation > 0 && !isClean(row) && !isGivenUp(row)) this.#refuse('not-clean', `${row.facts?.address ?? row.identity} on ${host.name} is not clean yet after its last server, and class ${name ?? ''} says how it becomes so: wait, or release it.`, []);
  }

  /** It is held back only because its PF makes VFs anew, which is judged by itself. */
  #remade(row: Row): boolean { return 'pool' in this.change && row.facts?.kind === 'vf'; }

  #concerns(poolId: string | null): boolean {
    if (poolId === null) return false;
    return 'class' in this.change || poolId === this.change.pool.before?.id || poolId === this.change.pool.after?.id;
  }

  #judgePool(host: HostFacts, here: ReadonlyMap<string, Here>, rows: ReadonlyMap<string, Row>, pool: DevicePool): void {
    const before = 'pool' in this.change ? this.change.pool.before : null;
    let candidates = 0;
    let taken = 0;
    let devices = rows.size;
    for (const one of here.values()) {
      const { device } = one;
      const row = rows.get(device.identity)!;
      if (device.kind !== 'vf') candidates += 1;
      if (pool.mode === 'vfs' && device.kind === 'function' && fits(pool.match, one, host)) this.#warn('not-a-pf', `Pool ${pool.name} keeps VFs, and ${device.address} on ${host.name} has none to keep: it is left alone. Say "kind": ["pf"].`);
      if (matching(one, [pool], host).length === 0) continue;
      this.#matched += 1;
      if (device.kind !== 'vf') taken += 1;
      if (device.protectedBy !== null) this.#warn('protected', `${device.address} on ${host.name} is matched, and the host lives on it (${device.protectedBy}): it is left alone.`);
      else if (pool.mode === 'vfs') {
        devices += Math.max(0, vfsOf(pool, device) - [...rows.values()].filter(({ facts }) => facts?.pf?.identity === device.identity).length);
        this.#judgeVfs(host, one, row, here, rows, pool, before);
      } else if (before !== null && before.driver !== pool.driver && heldBy(row) !== null) this.#mayLeave(host, row, 'Its driver would change');
    }
    if (devices > DEVICES_PER_HOST && devices > rows.size) this.#refuse('too-many-vfs', `Pool ${pool.name} would make the devices of ${host.name} ${devices}, those that are missing included; a host may have ${DEVICES_PER_HOST}.`, []);
    if (pool.mode === 'functions' && candidates >= MANY && taken === candidates) this.#warn('matches-everything', `Pool ${pool.name} matches every function of ${host.name}.`);
  }

  #judgeVfs(host: HostFacts, pf: Here, row: Row, here: ReadonlyMap<string, Here>, rows: ReadonlyMap<string, Row>, pool: DevicePool, before: DevicePool | null): void {
    const { device } = pf;
    const [wanted, live, most] = [vfsOf(pool, device), device.sriov?.numVfs ?? 0, device.sriov?.totalVfs ?? null];
    if (most !== null && wanted > most) this.#refuse('too-many-vfs', `Pool ${pool.name} wants ${wanted} VFs, and ${device.address} on ${host.name} can have ${most} at most.`, []);
    const vfs = [...here.values()].filter((one) => one.device.pf?.identity === device.identity && one.device.kind === 'vf').map((one) => rows.get(one.device.identity)!);
    if (heldBy(row) !== null) this.#refuse('pf-in-use', `${device.address} on ${host.name} is with a server as a whole: it can't keep VFs meanwhile.`, [serverOf(host, row)]);
    // Those too that are not there now: they are made again when their host can.
    const held = [...rows.values()].filter((each) => heldBy(each) !== null && (each.facts?.pf?.identity ?? vfNamed(each.identity)?.pf) === device.identity);
    const kept = before !== null && matching(pf, [before], host).length > 0 && vfsOf(before, device) === wanted;
    if (wanted !== live && !kept) {
      this.#effect(host, row, 'make-vfs', `${device.address} on ${host.name} gets ${wanted} VFs${live > 0 ? `; the ${live} that it has end` : ''}.`);
      this.withheld.push(...vfs.filter((vf) => heldBy(vf) === null).map(({ id }) => id));
      for (const vf of held) if (live > 0 || (vfNamed(vf.identity)?.index ?? -1) >= wanted) this.#mayVanish(host, vf, device, wanted, live);
    } else if (before !== null && before.driver !== pool.driver) {
      for (const vf of held) this.#mayLeave(host, vf, 'Its driver would change');
    }
    if (before !== null && JSON.stringify(before.policy) !== JSON.stringify(pool.policy)) this.#effect(host, row, 'changes-policy', `VFs of ${device.address} on ${host.name} have the new policy: those of servers when these are started next, and the VLAN that a server has stays its own.`);
  }

  #judgeClass({ before, after, flavors }: Extract<Change, { class: unknown }>['class']): void {
    const strength = { quarantine: 2, reset: 1, 'operator-accepts': 0 };
    if (after !== null && before === null && saysNothing(after.match)) this.#warn('matches-everything', `Class ${after.name} says nothing of its devices: every device of its pools is of it.`);
    if (after !== null && before !== null && saysNothing(after.match) && !saysNothing(before.match)) this.#warn('matches-everything', `Class ${after.name} would say nothing of its devices: every device of its pools is of it.`);
    if (before !== null && after !== null && strength[after.sanitizer] < strength[before.sanitizer]) {
      this.#warn('weaker-sanitizer', `Class ${after.name} would make its devices ready by '${after.sanitizer}' instead of '${before.sanitizer}': the next server may find what the last one left.`);
    }
    if (after !== null || before === null) return;
    const pools = this.before.pools.filter(({ className }) => className === before.name);
    if (pools.length > 0) this.#refuse('has-pools', `Class ${before.name} has pools: ${pools.map(({ name }) => name).join(', ')}. Delete them first.`, []);
    if (flavors !== undefined && flavors.count > 0) {
      const more = flavors.count - flavors.names.length;
      this.#refuse('has-flavors', `Class ${before.name} is asked for by flavors: ${flavors.names.join(', ')}${more > 0 ? ` and ${more} more` : ''}. Take it out of them or delete them first: no server could be made of them.`, []);
    }
  }

  #mayLeave(host: HostFacts, row: Row, what: string): void {
    if (this.#isOnFenced(host, row)) return;
    if (heldBy(row) !== null) this.#refuse('in-use', `${what}, and a server has it: delete or move the servers first.`, [serverOf(host, row)]);
  }

  #mayVanish(host: HostFacts, vf: Row, { address }: HostDevice, wanted: number, live: number): void {
    if (heldBy(vf) === null || this.#isOnFenced(host, vf)) return;
    this.#refuse('vf-in-use', `${address} on ${host.name} would have ${wanted} VFs${live > 0 ? ` instead of ${live}` : ''}, and VFs in use would vanish: stop and delete their servers, or move them away.`, [serverOf(host, vf)]);
  }

  /** A server that has it there still. */
  #isOnFenced(host: HostFacts, row: Row): boolean {
    if (!row.fenced || row.holder === null) return false;
    this.#refuse('in-use-on-fenced-host', `Host ${host.name} is fenced, and servers that have devices there are neither evacuated nor deleted: do one of it first, or take the host back.`, [serverOf(host, row)]);
    return true;
  }

  #effect(host: HostFacts, row: Row, does: DeviceEffect['does'], text: string): void {
    const { effects, counts } = this.#plan;
    counts[does] = (counts[does] ?? 0) + 1;
    if (!this.touched.has(host.id)) {
      this.touched.add(host.id);
      this.#plan.hosts += 1;
    }
    if (effects.length >= PLAN_LIST) this.#plan.more = true;
    else effects.push({ hostId: host.id as HostId, hostName: host.name, deviceId: row.id, identity: row.identity, address: row.facts?.address ?? null, does, sentence: text.slice(0, 1_000) });
  }

  #refuse(code: string, sentence: string, servers: Server[]): void {
    const known = this.#refusals.get(code) ?? { sentence, servers: [], times: 0 };
    known.times += 1;
    for (const server of servers) if (known.servers.length < PLAN_LIST) known.servers.push(server);
    this.#refusals.set(code, known);
  }

  #warn(code: string, sentence: string): void {
    const known = this.#warnings.get(code) ?? { sentence, times: 0 };
    known.times += 1;
    this.#warnings.set(code, known);
  }
}

/** A server that was to have it runs elsewhere. */
const unheld = (row: Row): Row => ({ ...row, holder: null, facts: row.facts && { ...row.facts, usedBy: null } });
const nameOf = ({ pools }: Definitions, id: string | null): string => pools.find((pool) => pool.id === id)?.name ?? '';
const serverOf = (host: HostFacts, row: Row): Server => ({ id: heldBy(row) as InstanceId, hostName: host.name, identity: row.identity });
const again = (sentence: string, times: number): string => (times === 1 ? sentence : `${sentence} (${times} times in all)`).slice(0, 1_000);
