import type { HeldFunction, PciAddress, PciFunction, PciReading, VfSettings } from './api.js';

/** One write, as the kernel takes it. */
export type KernelWrite =
  | { readonly op: 'numvfs'; readonly pf: PciAddress; readonly count: number }
  | { readonly op: 'autoprobe'; readonly pf: PciAddress; readonly on: boolean }
  | { readonly op: 'override'; readonly address: PciAddress; readonly driver: string | null }
  | { readonly op: 'unbind'; readonly address: PciAddress; readonly driver: string }
  /** By name: unlike a probe it says why not. Nothing binds this way but the contract. */
  | { readonly op: 'bind'; readonly address: PciAddress; readonly driver: string }
  | { readonly op: 'probe'; readonly address: PciAddress }
  | { readonly op: 'reset'; readonly address: PciAddress }
  | { readonly op: 'vf'; readonly pf: PciAddress; readonly network: string; readonly index: number; readonly settings: Partial<Omit<VfSettings, 'index'>> }
  | { readonly op: 'link'; readonly pf: PciAddress; readonly network: string };
export type KernelOp = KernelWrite['op'];

export type KernelAnswer =
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly errno: string | null; readonly text: string }
  /** It missed its deadline and is left behind, with the lock. */
  | { readonly kind: 'left'; readonly held: HeldFunction }
  /** Somebody else has the lock of that PF. */
  | { readonly kind: 'locked' };

/** What stands under KernelPci: the kernel's own behaviour and nothing more. Sysfs and the fake are two makes of it. */
export interface KernelPort {
  readonly bootId: string;
  read(): Promise<PciReading>;
  /** One function, now; null: it is gone. Its override is read when asked for only (that needs the device's lock), else null. */
  look(address: PciAddress, options?: { readonly override: boolean }): Promise<PciFunction | null>;
  /** Writers given up that may still be alive; those that ended are forgotten by this call. */
  held(): Promise<readonly HeldFunction[]>;
  /** @param lock the PF (or whole function) whose lock the writer takes and takes along */
  write(write: KernelWrite, lock: PciAddress): Promise<KernelAnswer>;
  vfs(pf: PciAddress, network: string): Promise<readonly VfSettings[] | Extract<KernelAnswer, { kind: 'refused' }>>;
  /** The interface is set up (its cable may still be out). */
  isUp(network: string): Promise<boolean>;
  /** Its cable is in and it is set up, to the moment; null: that can not be told. */
  hasCarrier(network: string): Promise<boolean | null>;
  protectedFunctions(): Promise<ReadonlyMap<PciAddress, string>>;
  /** IOMMU groups that a process has open for a guest, one with that word in its command line: each with all that is in it, bridges too. */
  opened(word: string): Promise<readonly (readonly PciAddress[])[]>;
  onChange(listener: () => void): () => void;
}
