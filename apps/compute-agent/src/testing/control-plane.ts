/** The control plane as one host sees it, for this app's tests: a feed, and what was reported. */
import {
  hostBeat, hostHint, hostImageUrl, pullDesired, pullDeviceWishes, reportDevices, reportInventory, reportObserved, type DesiredInstance, type DriftEntry, type HoldWish, type HostDevice, type InputOf, type ObservedInstance, type PoolWish,
} from '#libs/contracts';
import { conflict, forbidden } from '#libs/errors';
import { InMemoryBus, type AskOptions, type Bus, type Subscription } from '#libs/messaging';
import { HOST_ID } from './builders.js';

export class TestControlPlane {
  readonly reports = new Map<string, ObservedInstance>();
  readonly history: ObservedInstance[] = [];
  readonly inventories: InputOf<typeof reportInventory>[] = [];
  readonly beats: { hypervisorUp: boolean; images?: string[] | undefined }[] = [];
  /** What the host said of its devices last, by identity. */
  devices = new Map<string, HostDevice>();
  deviceProblems: NonNullable<InputOf<typeof reportDevices>['problems']> = [];
  deviceReports: InputOf<typeof reportDevices>[] = [];
  wishes: { version: string; pools: PoolWish[]; holds: HoldWish[] } = { version: '0', pools: [], holds: [] };
  /** Of wishes. */
  wishPageSize = 100;
  orphans: { uuid: string; name: string }[] = [];
  drift: DriftEntry[] = [];
  incarnation = 1;
  reportOnly = false;
  /** Refuses this host's sessions. */
  refuse = false;
  pageSize = 100;
  pulls = 0;
  imageUrl: (imageId: string) => { url: string; expiresAtMs: number; sha512: string; sizeBytes: number } = () => { throw forbidden('No image for you.'); };
  readonly #feed = new Map<string, { sequence: number; instance: DesiredInstance }>();
  #sequence = 0;
  #watchers: (() => void)[] = [];

  /** @param bus in memory, or a service's connection to a real server; @param hostId whom to hint */
  constructor(readonly bus: Bus = new InMemoryBus(), private readonly hostId = HOST_ID) {
    this.bus.handle(reportInventory, async (input) => {
      if (this.refuse) throw conflict('This host has another session.');
      this.inventories.push(input);
      return { epoch: 1, incarnation: this.incarnation, protocol: 1 };
    }, { group: 'scheduler' });
    this.bus.handle(pullDesired, async ({ since }) => {
      this.pulls += 1;
      const all = [...this.#feed.values()].filter(({ sequence }) => sequence > since).sort((a, b) => a.sequence - b.sequence);
      const entries = all.slice(0, this.pageSize);
      const more = all.length > entries.length;
      return { incarnation: this.incarnation, epoch: 1, entries, more, upTo: more ? entries.at(-1)!.sequence : this.#sequence, reportOnly: this.reportOnly };
    }, { group: 'compute' });
    this.bus.handle(reportObserved, async ({ instances, orphans, drift }) => {
      this.orphans = orphans;
      this.drift = drift ?? this.drift;
      const forget = [];
      for (const instance of instances) {
        this.history.push(instance);
        this.reports.set(instance.id, instance);
        const wanted = this.#feed.get(instance.id)?.instance;
        if (instance.state !== 'absent' || (wanted && (wanted.intent !== 'deleted' || wanted.generation !== instance.generation))) continue;
        this.#feed.delete(instance.id);
        forget.push(instance.id);
      }
      for (const watcher of this.#watchers.splice(0)) watcher();
      return { forget };
    }, { group: 'compute' });
    this.bus.handle(pullDeviceWishes, async ({ knows, after }) => {
      const { version, pools, holds } = this.wishes;
      const head = { incarnation: this.incarnation, epoch: 1, reportOnly: this.reportOnly, version };
      if (knows === version) return { ...head, pools: [], holds: [], next: null };
      const left = holds.filter(({ identity }) => after === null || identity > after).sort((a, b) => (a.identity < b.identity ? -1 : 1));
      const page = left.slice(0, this.wishPageSize);
      return { ...head, pools: after === null ? pools : [], holds: page, next: left.length > page.length ? page.at(-1)!.identity : null };
    }, { group: 'scheduler' });
    this.bus.handle(reportDevices, async (input) => {
      const { range: { after, upTo }, devices, problems } = input;
      this.deviceReports.push(input);
      for (const identity of this.devices.keys()) if ((after === null || identity > after) && (upTo === null || identity <= upTo)) this.devices.delete(identity);
      for (const device of devices) this.devices.set(device.identity, device);
      this.deviceProblems = problems ?? [];
      for (const watcher of this.#watchers.splice(0)) watcher();
      return { wishes: this.wishes.version };
    }, { group: 'scheduler' });
    this.bus.handle(hostImageUrl, async ({ imageId }) => this.imageUrl(imageId), { group: 'compute' });
    this.bus.onHint(hostBeat, (beat) => { this.beats.push(beat); });
  }

  /** Wants something of one instance; hints unless told not to. */
  want(instance: DesiredInstance, hint = true): void {
    this.#sequence += 1;
    this.#feed.set(instance.id, { sequence: this.#sequence, instance });
    if (hint) this.bus.hint(hostHint, {}, { hostId: this.hostId });
  }

  /** Wants something else of the host's devices. */
  wish(change: { pools?: PoolWish[]; holds?: HoldWish[] }): void {
    this.wishes = { ...this.wishes, ...change, version: String(Number(this.wishes.version) + 1) };
    this.bus.hint(hostHint, {}, { hostId: this.hostId });
  }

  /** Resolves when `test` holds; looked at after every report. Fails after `ms`. */
  async untilSo<T>(test: () => T | null | undefined | false, ms = 8_000): Promise<T> {
    const end = performance.now() + ms;
    for (;;) {
      const found = test();
      if (found) return found;
      const left = end - performance.now();
      if (left <= 0) throw new Error(`not so within ${ms} ms; devices: ${JSON.stringify([...this.devices.values()])}; problems: ${JSON.stringify(this.deviceProblems)}; instances: ${JSON.stringify([...this.reports.values()])}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 50));
        this.#watchers.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Forgets what it wanted, as an older backup would. */
  lose(id: string): void { this.#feed.delete(id); }

  /** Resolves with the report that satisfies; fails after `ms`: less than a host at rest takes to look by itself, which must not hide a hint that was not heard. */
  async until(id: string, test: (observed: ObservedInstance) => boolean, ms = 30_000): Promise<ObservedInstance> {
    const end = performance.now() + ms;
    for (;;) {
      const found = this.reports.get(id);
      if (found && test(found)) return found;
      const left = end - performance.now();
      if (left <= 0) throw new Error(`not reported within ${ms} ms; last: ${JSON.stringify(found)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#watchers.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  settled(id: string, state: ObservedInstance['state'], generation = 1, ms?: number): Promise<ObservedInstance> {
    return this.until(id, (seen) => seen.state === state && seen.generation === generation && seen.doing === null, ms);
  }
}

/** One process's connection: killed, it neither speaks nor hears any more. */
export class KillableBus implements Bus {
  #alive = true;
  readonly #subscriptions: Subscription[] = [];

  constructor(private readonly bus: Bus) {}

  get connected(): boolean { return this.#alive && this.bus.connected; }
  onConnection(listener: (connected: boolean) => void): void { this.bus.onConnection((connected) => { if (this.#alive) listener(connected); }); }

  kill(): void {
    this.#alive = false;
    for (const subscription of this.#subscriptions) void subscription.stop();
  }

  ask: Bus['ask'] = (contract, input, options?: AskOptions) => (this.#alive ? this.bus.ask(contract, input, options) : new Promise(() => undefined));
  hint: Bus['hint'] = (hint, payload, options) => { if (this.#alive) this.bus.hint(hint, payload, options); };
  handle: Bus['handle'] = (contract, handler, options) => this.#keep(this.bus.handle(contract, handler, options));
  onHint: Bus['onHint'] = (hint, listener, options) => this.#keep(this.bus.onHint(hint, listener, options));

  async close(): Promise<void> { this.kill(); }

  #keep(subscription: Subscription): Subscription {
    this.#subscriptions.push(subscription);
    return subscription;
  }
}
