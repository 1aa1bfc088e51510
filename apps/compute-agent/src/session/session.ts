/**
 * This host's session with the control plane: says what the host is, that it lives, and hears hints.
 *
 * Owns: announcing (at start, after every reconnect, on change) and beats. One session a host: a refusal means that
 * another machine uses this identity, and ends the agent. A crash ends the beats, which is what they are for.
 */
import { createHash } from 'node:crypto';
import type { PlacementConfig } from '#libs/config';
import { hostBeat, LIVE_DEVICES, PROTOCOL, reportInventory, type HostId, type HostInventory } from '#libs/contracts';
import { SkyError } from '#libs/errors';
import type { Bus } from '#libs/messaging';
import type { Logger } from '#libs/observability';
import { jittered, type Clock } from '../clock.js';
import { cpuSetsOf, NOTHING_STATED } from '../decide/cpu-sets.js';
import { takeShare, type Share } from '../decide/inventory.js';
import { hostTraits } from '../decide/traits.js';
import { EXIT, FatalError } from '../errors.js';
import type { Machine } from '../hypervisor/hypervisor.js';
import type { Limits } from '../limits.js';
import type { Ledger } from '../reconcile/ledger.js';
import { AGENT_VERSION } from '../version.js';
import { ToldImages } from './told-images.js';

/** What an operator says of CPUs, pages and traits may be left out. */
export interface Offer extends Partial<PlacementConfig> {
  readonly share: Share;
  readonly reservedMemoryMib: number;
  readonly reservedDiskGib: number;
  readonly virtType: HostInventory['virtType'];
  readonly hostAddress: string;
}

export interface SessionOptions {
  readonly hostId: HostId;
  readonly simulated: boolean;
  readonly bootId: string;
  readonly bus: Bus;
  readonly ledger: Ledger;
  readonly machine: Machine;
  readonly offer: Offer;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly limits: Limits;
  /** The control plane knows us now, with this epoch and incarnation in the ledger. */
  onAnnounced(newIncarnation: boolean): void;
  onFatal(error: FatalError): void;
}

/** Usable as traits. */
export const CAPABILITIES = ['CONFIG_DRIVE', 'CONSOLE_LOG', 'ECHO', 'LEASE', 'CONSOLE_SERIAL', 'CONSOLE_VNC', 'DIAGNOSTICS', 'REBOOT_SOFT', 'REBOOT_HARD', 'PAUSE', 'SUSPEND', 'REBUILD', 'RESIZE_IN_PLACE', 'DISK_TRANSFER', 'LAYOUT', 'CPU_REALTIME'] as const;

export class Session {
  readonly #options: SessionOptions;
  #announcing: Promise<void> | undefined;
  #again = false;
  #announced = false;
  #stopped = false;
  #delayMs: number;
  #cancelRetry: (() => void) | undefined;
  #cancelBeat: (() => void) | undefined;
  readonly #images: ToldImages;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#delayMs = options.limits.announceMinMs;
    this.#images = new ToldImages(async () => await options.machine.files.cachedImages?.() ?? null, options.limits);
    options.bus.onConnection((connected) => { if (connected) this.announce(); });
    options.machine.hypervisor.onChange(() => this.#beatOnChange());
  }

  get announced(): boolean { return this.#announced; }

  start(): void {
    this.announce();
    this.#nextBeat();
  }

  /** Says what this host is, now or once more after the telling under way. */
  announce(): void {
    if (this.#stopped) return;
    if (this.#announcing) {
      this.#again = true;
      return;
    }
    this.#cancelRetry?.();
    this.#again = false;
    let failed = false;
    this.#announcing = this.#announceOnce().catch((error: unknown) => {
      failed = true;
      this.#failed(error);
    }).finally(() => {
      this.#announcing = undefined;
      if (this.#stopped) return;
      if (failed) this.#retry(this.#backoff());
      else if (this.#again) this.announce();
      else this.#retry(this.#options.limits.announceEveryMs);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRetry?.();
    this.#cancelBeat?.();
    await this.#announcing;
  }

  async #announceOnce(): Promise<void> {
    const { bus, hostId, bootId, simulated, ledger, machine, offer, logger } = this.#options;
    // Without its hypervisor nothing true can be said of a host; its coming up announces again.
    if (!bus.connected || !machine.hypervisor.isUp) return;
    const inventory = await this.#inventory();
    const answer = await bus.ask(reportInventory, {
      bootId, protocol: PROTOCOL, agentVersion: AGENT_VERSION, simulated, inventory,
      ...(ledger.host.incarnation !== 0 && { knows: { incarnation: ledger.host.incarnation, epoch: ledger.host.epoch, upTo: ledger.host.upTo } }),
      capabilities: [...CAPABILITIES, ...(machine.devices?.mayGive ? ['DEVICES', LIVE_DEVICES] : []), `VIRT_TYPE_${offer.virtType.toUpperCase()}`],
    }, { hostId });
    const newIncarnation = answer.incarnation > ledger.host.incarnation;
    await ledger.bookEpoch(answer.epoch, newIncarnation && ledger.host.incarnation !== 0);
    this.#delayMs = this.#options.limits.announceMinMs;
    if (!this.#announced) logger.info({ epoch: answer.epoch, incarnation: answer.incarnation, vcpus: inventory.vcpus, memoryMib: inventory.memoryMib, diskGib: inventory.diskGib }, 'announced to the control plane');
    this.#announced = true;
    this.#beat();
    this.#options.onAnnounced(newIncarnation);
  }

  /** What the host offers now; its generation rises when it differs from what was offered before. */
  async #inventory(): Promise<HostInventory> {
    const { machine, offer, ledger } = this.#options;
    const [facts, diskGib] = await Promise.all([machine.hypervisor.facts(), machine.files.diskGib()]);
    const sets = cpuSetsOf(offer.cpus ?? NOTHING_STATED, facts.cells.flatMap(({ cpus }) => cpus).sort((a, b) => a - b));
    const taken = takeShare({ ...facts, diskGib }, offer.share, sets, offer.reservedPages);
    const cpuFlags = [...facts.cpuFlags];
    const content = {
      ...taken, cpuFlags, traits: hostTraits({ cpuArch: facts.cpuArch, cpuFlags, cells: taken.cells }, offer.traits ?? []), resources: { ...offer.resources }, reservedMemoryMib: offer.reservedMemoryMib, reservedDiskGib: offer.reservedDiskGib,
      cpuModel: facts.cpuModel, cpuArch: facts.cpuArch, virtType: offer.virtType, hypervisorVersion: facts.hypervisorVersion, libvirtVersion: facts.libvirtVersion,
      hostAddress: offer.hostAddress,
    };
    const digest = createHash('sha256').update(JSON.stringify(content)).digest('hex');
    const before = ledger.host.inventory;
    if (before.digest !== digest) await ledger.bookInventory(before.generation + 1, digest);
    return { generation: ledger.host.inventory.generation, ...content };
  }

  #failed(error: unknown): void {
    if (error instanceof SkyError && error.kind === 'conflict') {
      this.#stopped = true;
      this.#options.onFatal(new FatalError(`the control plane refused this host's session: ${error.message} Another machine uses this identity, or this host's last session has not lapsed yet.`, EXIT.sessionRefused, { cause: error }));
      return;
    }
    const quiet = error instanceof SkyError && (error.kind === 'unavailable' || error.kind === 'timeout');
    this.#options.logger[quiet ? 'debug' : 'warn']({ err: error }, 'not announced yet');
  }

  #retry(ms: number): void {
    const { clock, random, limits } = this.#options;
    this.#cancelRetry = clock.after(jittered(ms, limits.jitter, random()), () => this.announce());
  }

  #backoff(): number {
    const ms = this.#delayMs;
    this.#delayMs = Math.min(ms * 2, this.#options.limits.announceMaxMs);
    return ms;
  }

  #wasUp: boolean | undefined;

  #beatOnChange(): void {
    const up = this.#options.machine.hypervisor.isUp;
    if (up === this.#wasUp) return;
    this.#wasUp = up;
    if (up) this.announce(); // another libvirt or QEMU may stand behind it
    this.#beat();
  }

  #beat(): void {
    const { bus, hostId, bootId, machine, ledger } = this.#options;
    if (this.#stopped) return;
    const images = this.#images.toSay();
    bus.hint(hostBeat, { bootId, hypervisorUp: machine.hypervisor.isUp, inventoryGeneration: ledger.host.inventory.generation, ...(images && { images }) }, { hostId });
    // For the next beat: none waits for a disk.
    void this.#images.look();
  }

  #nextBeat(): void {
    const { clock, random, limits } = this.#options;
    this.#cancelBeat = clock.after(jittered(limits.beatEveryMs, limits.jitter, random()), () => {
      this.#beat();
      if (!this.#stopped) this.#nextBeat();
    });
  }
}
