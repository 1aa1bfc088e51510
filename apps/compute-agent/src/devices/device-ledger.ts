/**
 * The host's memory of its devices, on disk beside the instances' ledger: one file of records, one with what is wanted.
 *
 * Owns: that a device is written down as handed out before it is, and as clean only after it was verified. Never decides. A crash between
 * two writes leaves the older state, in which a device is dirtier than it is, never cleaner. A file that does not read back is kept for
 * people, and everything that somebody may have had is cleaned again.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { HoldWish, HostDevice, PoolWish } from '#libs/contracts';
import type { IdentityMemory } from '#libs/pci';
import { quarantine, readRecord, writeRecord } from '../reconcile/ledger-file.js';
import { SerialWriter } from '../reconcile/serial-writer.js';
import { atBoot, NO_RECORD, type DeviceRecord } from './decide/records.js';

const Last = HostDevice.pick({
  identityStrength: true, address: true, kind: true, vendor: true, product: true, pciClass: true, subsystemVendor: true, subsystemProduct: true, driver: true, numaNode: true, iommuGroup: true,
  mates: true, pf: true, sriov: true, resetMethods: true, network: true, protectedBy: true,
});
const Record = z.object({
  used: z.int(), holder: z.string().nullable(), cleanAt: z.int().nullable(), dirty: HostDevice.shape.dirty,
  tries: z.object({ generation: z.int(), count: z.int() }).nullable(), releasedAt: z.int().default(0), vouched: z.int().default(0), aerFatal: z.int().default(0),
  // It is seen again at the next look: no reason to forget who had the device, and all others with it.
  last: Last.nullable().catch(null),
});
/** Its inside is that of libs/pci. */
const Identities = z.custom<IdentityMemory>((value) => z.object({ bootId: z.string(), devices: z.array(z.object({ identity: z.string() })) }).safeParse(value).success);
const Records = z.object({ format: z.literal(1), bootId: z.string(), devices: z.record(z.string(), Record), identities: Identities.nullable() });
const StoredWishes = z.object({
  format: z.literal(1), incarnation: z.int(), epoch: z.int(), reportOnly: z.boolean(), version: z.string(), pools: z.array(PoolWish), holds: z.array(HoldWish),
});
export type StoredWishes = z.output<typeof StoredWishes>;

export interface DeviceLedgerOptions {
  readonly folder: string;
  /** false: simulated hosts. */
  readonly durable: boolean;
  readonly bootId: string;
  readonly wallMs: () => number;
  readonly onProblem: (text: string) => void;
}

export class DeviceLedger {
  readonly #records = new Map<string, DeviceRecord>();
  readonly #recordsWriter: SerialWriter;
  readonly #wishesWriter: SerialWriter;
  #wishes: StoredWishes | null = null;
  #identities: IdentityMemory | null = null;

  private constructor(private readonly options: DeviceLedgerOptions) {
    this.#recordsWriter = new SerialWriter(() => writeRecord(this.#recordsPath, { format: 1, bootId: options.bootId, devices: Object.fromEntries(this.#records), identities: this.#identities }, options.durable));
    this.#wishesWriter = new SerialWriter(() => writeRecord(this.#wishesPath, this.#wishes, options.durable));
  }

  static async open(options: DeviceLedgerOptions): Promise<DeviceLedger> {
    const ledger = new DeviceLedger(options);
    await mkdir(options.folder, { recursive: true, mode: 0o700 });
    const records = await ledger.#read(ledger.#recordsPath, Records);
    for (const [identity, record] of Object.entries(records?.devices ?? {})) ledger.#records.set(identity, records?.bootId === options.bootId ? record : atBoot(record));
    ledger.#identities = records?.identities ?? null;
    ledger.#wishes = await ledger.#read(ledger.#wishesPath, StoredWishes);
    return ledger;
  }

  get records(): ReadonlyMap<string, DeviceRecord> { return this.#records; }
  /** Which device was which, and why. */
  get identities(): IdentityMemory | null { return this.#identities; }
  get wishes(): StoredWishes | null { return this.#wishes; }

  /** Resolves when it is on disk. */
  async book(changes: Iterable<readonly [string, (before: DeviceRecord) => DeviceRecord]>): Promise<void> {
    let any = false;
    for (const [identity, change] of changes) {
      any = true;
      this.#records.set(identity, change(this.#records.get(identity) ?? NO_RECORD));
    }
    if (any) await this.#recordsWriter.write();
  }

  async bookIdentities(identities: IdentityMemory): Promise<void> {
    if (JSON.stringify(identities) === JSON.stringify(this.#identities)) return;
    this.#identities = identities;
    await this.#recordsWriter.write();
  }

  async bookWishes(wishes: Omit<StoredWishes, 'format'>): Promise<void> {
    const next: StoredWishes = { format: 1, ...wishes };
    if (JSON.stringify(next) === JSON.stringify(this.#wishes)) return;
    this.#wishes = next;
    await this.#wishesWriter.write();
  }

  async flush(): Promise<void> { await Promise.all([this.#recordsWriter.idle(), this.#wishesWriter.idle()]); }

  get #recordsPath(): string { return join(this.options.folder, 'devices.json'); }
  get #wishesPath(): string { return join(this.options.folder, 'device-wishes.json'); }

  async #read<T extends z.ZodType>(path: string, shape: T): Promise<z.output<T> | null> {
    const found = await readRecord(path, shape);
    if (found.kind === 'ok') return found.record;
    if (found.kind === 'corrupt') {
      const to = await quarantine(path, join(this.options.folder, 'quarantine'), String(this.options.wallMs()));
      this.options.onProblem(`ledger: ${path} does not read back (${found.why}); kept as ${to}`);
    }
    return null;
  }
}
