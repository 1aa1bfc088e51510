/**
 * pci: what stands on a host's PCI bus, and what may be done to it.
 *
 * Owns: addresses, the look at sysfs, identities that outlive a bus numbered anew, writes in processes of their own with the kernel's errors
 * explained, and a fake kernel. Never: decides who gets what, knows libvirt, repeats a write, or waits for one without a deadline. A crash
 * here leaves a writer behind at most; its lock and its record tell whoever comes next.
 */
export type * from './api.js';
export { PciError } from './api.js';
export { parsePciAddress, pciParts, tryPciAddress, vfAddress } from './address.js';
export { ERRNO_TABLE, explainErrno, type ErrnoRow } from './errno.js';
export { KernelPci, PASSING_DRIVERS } from './kernel-pci.js';
export { FakePci } from './fake/fake-pci.js';
export { FakeKernel, type FakeHarm, type FakeKernelOptions, type FakeWritten } from './fake/kernel.js';
export type { FakeFunction } from './fake/state.js';
export { fleetShape, labShape, type FakeFleetShape, type FakeFunctionShape, type FakeShape, type FakeSriovShape } from './fake/shape.js';
export { acceptIdentity, forgetIdentity, identify, vfIdentity, type DeviceIdentityNow, type Doubt, type Identified, type IdentityMemory, type RememberedDevice } from './decide/identity.js';
export { asPort, mayKeepVfs } from './decide/host-needs.js';
export { modelOf, slotPath, topologyOf } from './decide/topology.js';
export { SysfsPci } from './sysfs/sysfs-pci.js';
export type { SysfsOptions } from './sysfs/sysfs-kernel.js';
export type { ChildEnd, ChildRun, RunChild } from './sysfs/child.js';
