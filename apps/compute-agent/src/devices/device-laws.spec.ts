// Whatever happens to a host, in whatever order, and wherever its agent is killed: nothing is written to a device that a guest has, what is
// told to be clean holds nothing of its last guest, and in the end every device is free, clean and as its pool wants it.
import { describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { DesiredInstance, HoldWish, HostDevice } from '#libs/contracts';
import { FakeKernel, FakePci, labShape, parsePciAddress, type FakeWritten, type VfSettings } from '#libs/pci';
import { createLogger } from '#libs/observability';
import { StepError } from '../errors.js';
import { LIMITS } from '../limits.js';
import type { Ledger } from '../reconcile/ledger.js';
import { desired, instanceId, layout } from '../testing/builders.js';
import { claimedDevice, holdWish, poolWish, vf } from '../testing/device-builders.js';
import type { Wishes } from './decide/records.js';
import type { DeviceUse } from './decide/seen.js';
import { DeviceActs } from './device-acts.js';
import { DeviceLedger } from './device-ledger.js';
import { DeviceObserver } from './device-observer.js';
import { HostDevices } from './host-devices.js';

type KernelWrite = FakeWritten['write'];

const RUNS = 1_000;
const VFS = 3;
const GUESTS = [1, 2, 3].map(instanceId);
/** What each guest is given, unlike all others'. */
const ownOf = (id: string): { mac: string; vlan: number } => ({ mac: `fa:16:3e:00:00:${id.slice(-2)}`, vlan: 100 + Number(id.slice(-2)) });
/** MACs that somebody sets on a guest's VF. */
const BY_HAND = ['06:00:00:00:00:66', '06:00:00:00:00:67'];
const AS_POOLED = { trust: false, spoofCheck: true, minTxMbps: 0, maxTxMbps: 0 };
const logger = createLogger('test', 'silent');

/** What the control plane knows of one device. */
interface Stock { generation: number; holder: string | null; cleanAt: number | null }

class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'device-laws-'));
  readonly kernel: FakeKernel;
  readonly entries = new Map<string, { desired: DesiredInstance }>();
  /** Domains that are defined, with what they name; those that run have it. */
  readonly domains = new Map<string, { addresses: string[]; live: boolean }>();
  readonly stock = new Map<string, Stock>(Array.from({ length: VFS }, (_, index) => [vf(index), { generation: 0, holder: null, cleanAt: null }]));
  count = VFS;
  version = 0;
  boot = 1;
  /** Of guests with a device. */
  starts = 0;
  now = 0;
  said = new Map<string, HostDevice>();
  /** Writes until the agent is killed; before or after it took effect. */
  killIn = Infinity;
  devices!: HostDevices;
  ledger!: DeviceLedger;
  #killed!: Promise<'killed'>;
  #kill!: () => void;
  #wishes: { version: number; wishes: Wishes } | undefined;

  constructor() {
    this.kernel = new FakeKernel(labShape(), { delay: (write) => this.#before(write) });
  }

  get wishes(): Wishes {
    if (this.#wishes?.version === this.version) return this.#wishes.wishes;
    const holds = [...this.stock].flatMap(([identity, { generation, holder, cleanAt }]): HoldWish[] => (holder !== null || (generation > 0 && (cleanAt ?? -1) < generation) ? [holdWish(identity, generation, holder)] : []));
    this.#wishes = { version: this.version, wishes: { version: String(this.version), pools: [poolWish(this.count, { vfs: { count: this.count, driver: 'vfio-pci', policy: { ...AS_POOLED, vlans: GUESTS.map((id) => ownOf(id).vlan), macPrefix: 'fa:16:3e' } } })], holds } };
    return this.#wishes.wishes;
  }

  async start(): Promise<void> {
    this.#killed = new Promise((resolve) => { this.#kill = () => { resolve('killed'); }; });
    const alive = { yes: true };
    void this.#killed.then(() => { alive.yes = false; });
    const pci = new FakePci(this.kernel);
    this.ledger = await DeviceLedger.open({ folder: this.folder, durable: false, bootId: `boot-${this.boot}`, wallMs: () => 0, onProblem: () => undefined });
    const uses = async (): Promise<DeviceUse[]> => [...this.domains].flatMap(([domainId, { addresses, live }]) => addresses.map((address) => ({ address, domainId, live })));
    const observer = new DeviceObserver({ pci, hypervisor: { deviceUses: uses }, ledger: { entries: this.entries as unknown as Ledger['entries'] }, devices: this.ledger, mayWrite: true, wishes: () => this.wishes });
    this.devices = new HostDevices({
      pci, mayGive: true, observer, devices: this.ledger, acts: new DeviceActs({ pci, observer, devices: this.ledger, logger, scrubAttempts: 100 }), hypervisor: { isUp: true, onChange: () => undefined },
      clock: { nowMs: () => this.now, wallMs: () => 0, after: () => () => undefined }, random: () => 0, logger, limits: LIMITS, onChanged: () => undefined,
      onSeen: (devices) => {
        if (alive.yes) this.#see(devices);
        return false;
      },
    });
    this.devices.release();
  }

  /** @returns whether the agent lived through it; else it is started again */
  async survive(work: () => Promise<unknown>): Promise<boolean> {
    if ((await Promise.race([work().then(() => 'done'), this.#killed])) === 'done') return true;
    this.killIn = Infinity;
    await this.ledger.flush();
    await this.start();
    return false;
  }

  /** Looks until nothing is left to do. */
  tick = (): Promise<boolean> => this.survive(async () => {
    this.now += 3_600_000;
    this.devices.wake();
    await this.devices.idle();
  });

  async #before(write: KernelWrite | null): Promise<void> {
    if (write === null) return;
    if (write.op !== 'link' && write.op !== 'autoprobe') {
      const at = 'address' in write ? write.address : write.op === 'vf' ? this.kernel.state.at(write.pf)?.vfs[write.index]?.address : undefined;
      const touched = at === undefined ? (this.kernel.state.at('pf' in write ? write.pf : write.address)?.vfs ?? []) : [this.kernel.state.at(at)!];
      for (const each of touched) if (each.user !== null) throw new Error(`${write.op} on ${each.address}, which ${each.user.domain} has`);
    }
    this.killIn -= 1;
    if (this.killIn > 0) return;
    this.#kill();
    await new Promise(() => undefined);
  }

  #see(devices: readonly HostDevice[]): void {
    this.said = new Map(devices.map((device) => [device.identity, device]));
    for (const [identity, stock] of this.stock) {
      const device = this.said.get(identity);
      const cleanAt = device?.cleanAt ?? null;
      if (device && stock.holder === null && cleanAt !== null && cleanAt >= stock.generation && device.condition === null && device.usedBy === null) {
        // The one promise that matters: nothing of the last guest is on what is free.
        const at = this.kernel.state.at(parsePciAddress(device.address));
        expect(at?.trace ?? null).toBeNull();
        expect([...GUESTS.map((id) => ownOf(id).mac), ...BY_HAND]).not.toContain(at?.settings?.mac);
      }
      if (stock.holder === null && cleanAt !== stock.cleanAt) {
        stock.cleanAt = cleanAt;
        this.version += 1;
      }
    }
  }

  claim(identity: string, id: string): void {
    const stock = this.stock.get(identity)!;
    const device = this.said.get(identity);
    if (stock.holder !== null || this.entries.has(id) || !device || device.condition !== null || device.usedBy !== null || (device.cleanAt ?? -1) < stock.generation) return;
    Object.assign(stock, { generation: stock.generation + 1, holder: id });
    this.entries.set(id, { desired: desired({ id: id as DesiredInstance['id'], layout: layout({ devices: [claimedDevice(identity, stock.generation, ownOf(id))] }) }) });
    this.version += 1;
  }

  async startGuest(id: string): Promise<void> {
    const entry = this.entries.get(id);
    if (!entry || this.domains.get(id)?.live) return;
    let addresses: string[] | undefined;
    await this.survive(async () => {
      try {
        await this.devices.prepare(entry.desired, new AbortController().signal);
        addresses = this.devices.place(entry.desired).map(({ address }) => address);
        await this.devices.idle();
      } catch (error) {
        if (!(error instanceof StepError)) throw error;
      }
    });
    if (!addresses) return;
    for (const address of addresses) {
      const at = this.kernel.state.at(parsePciAddress(address));
      // Its own MAC and VLAN, all else as the pool says: nothing that a predecessor had, or that was done to it by hand.
      expect(at).toMatchObject({ driver: 'vfio-pci', settings: { ...AS_POOLED, ...ownOf(id) } });
      expect(at?.trace === null || at?.trace === id).toBe(true);
      this.kernel.useBy(parsePciAddress(address), id, { managed: false });
    }
    this.domains.set(id, { addresses, live: true });
    this.starts += 1;
  }

  /** Somebody sets the VFs of a guest otherwise, on the host and by hand. */
  meddle(id: string, settings: Partial<VfSettings>): void {
    for (const { address, user } of this.kernel.state.functions.values()) if (user?.domain === id) this.kernel.leave(address, settings);
  }

  stopGuest(id: string): void {
    const domain = this.domains.get(id);
    if (!domain?.live) return;
    domain.live = false;
    for (const { address, user } of [...this.kernel.state.functions.values()]) if (user?.domain === id) this.kernel.useBy(address, null);
  }

  deleteGuest(id: string): void {
    this.stopGuest(id);
    this.domains.delete(id);
    this.entries.delete(id);
    for (const stock of this.stock.values()) if (stock.holder === id) Object.assign(stock, { holder: null, cleanAt: null });
    this.version += 1;
  }

  async reboot(renumber: boolean): Promise<void> {
    for (const domain of this.domains.values()) domain.live = false;
    while (!(await this.survive(() => this.devices.idle()))) { /* killed: another one */ }
    if (renumber) this.kernel.renumber();
    else this.kernel.reboot();
    this.boot += 1;
    await this.ledger.flush();
    await this.start();
  }

  close(): void { rmSync(this.folder, { recursive: true, force: true }); }
}

const meddled = fc.record({ mac: fc.constantFrom(...BY_HAND), vlan: fc.integer({ min: 0, max: 4094 }), trust: fc.boolean(), spoofCheck: fc.boolean(), maxTxMbps: fc.integer({ min: 0, max: 900 }) }, { requiredKeys: [] });

type Event = (world: World) => void | Promise<unknown>;
const guest = fc.constantFrom(...GUESTS);
const device = fc.integer({ min: 0, max: VFS - 1 }).map(vf);
const named = (name: string, event: Event): Event & { toString(): string } => Object.assign(event, { toString: () => name });
const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  { weight: 6, arbitrary: fc.constant(named('look', (world) => world.tick())) },
  { weight: 5, arbitrary: fc.tuple(device, guest).map(([identity, id]) => named(`claim ${identity} for ${id}`, (world) => world.claim(identity, id))) },
  { weight: 5, arbitrary: fc.tuple(device, guest, meddled).map(([identity, id, settings]) => named(`give ${identity} to ${id}, who gets ${JSON.stringify(settings)} by hand`, async (world) => {
    await world.tick();
    world.claim(identity, id);
    await world.startGuest(id);
    world.meddle(id, settings as Partial<VfSettings>);
  })) },
  { weight: 5, arbitrary: guest.map((id) => named(`start ${id}`, (world) => world.startGuest(id))) },
  { weight: 2, arbitrary: guest.map((id) => named(`stop ${id}`, (world) => world.stopGuest(id))) },
  { weight: 1, arbitrary: fc.tuple(guest, meddled).map(([id, settings]) => named(`meddle with ${id}: ${JSON.stringify(settings)}`, (world) => world.meddle(id, settings as Partial<VfSettings>))) },
  { weight: 3, arbitrary: guest.map((id) => named(`delete ${id}`, (world) => world.deleteGuest(id))) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 4 }).map((count) => named(`pool of ${count}`, (world) => { [world.count, world.version] = [count, world.version + 1]; })) },
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 6 }).map((writes) => named(`kill at write ${writes}`, (world) => { world.killIn = writes; })) },
  { weight: 2, arbitrary: fc.constantFrom('reset', 'unbind', 'probe', 'vf', 'numvfs', 'override').map((op) => named(`fail ${op}`, (world) => world.kernel.failNext(op as 'reset', 'EIO'))) },
  // For as long as a look, and those of a scrub, take.
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 3 }).map((times) => named(`hide settings ${times} times`, (world) => { for (let at = 0; at < times; at += 1) world.kernel.failNext('vfs', 'ETIMEDOUT'); })) },
  { weight: 1, arbitrary: fc.boolean().map((renumber) => named(renumber ? 'renumber' : 'reboot', (world) => world.reboot(renumber))) },
);

describe('devices, whatever happens', () => {
  it('are never taken from a guest, and free ones are clean', async () => {
    let starts = 0;
    await fc.assert(fc.asyncProperty(fc.array(anyEvent, { minLength: 5, maxLength: 40 }), async (events) => {
      const world = new World();
      try {
        await world.start();
        for (const event of events) {
          await event(world);
          expect(world.kernel.harms).toEqual([]);
        }
        // Left in peace, it comes to rest.
        world.killIn = Infinity;
        for (const id of GUESTS) world.deleteGuest(id);
        [world.count, world.version] = [VFS, world.version + 1];
        for (let look = 0; look < 12; look += 1) await world.tick();
        for (const [identity, { generation }] of world.stock) {
          expect(world.said.get(identity)).toMatchObject({ condition: null, dirty: null, usedBy: null, driver: 'vfio-pci' });
          expect(world.said.get(identity)!.cleanAt).toBeGreaterThanOrEqual(generation);
        }
        expect(world.kernel.harms).toEqual([]);
        starts += world.starts;
      } finally {
        world.close();
      }
    }), { numRuns: RUNS, endOnFailure: true });
    // Else nothing was looked at.
    expect(starts).toBeGreaterThan(RUNS / 2);
  }, 600_000);
});
