/**
 * libvirt: talks to libvirtd over its own RPC protocol, in TypeScript, with Node's builtins only.
 *
 * Owns: the wire format, connections and their repair, typed calls, events, console streams, and a fake daemon that
 * speaks the same bytes. Never: decides what should run, reads a domain's XML (the fake alone does), retries a call, or
 * hides that the daemon cannot be reached. A crash here loses answers, never domains: whoever comes back lists and looks.
 */
export type * from './api.js';
export { LibvirtConnection, type LibvirtConnectionOptions } from './connection.js';
export {
  isLibvirtError, LibvirtArgumentError, LibvirtBusy, LibvirtError, LibvirtProtocolError, LibvirtTimeout, LibvirtUnavailable,
  type LibvirtErrorLevel,
} from './errors.js';
export type { ErrorName as LibvirtErrorName } from './facts.js';
export { guestsService, guestsServiceText, type GuestsService } from './guests-service.js';
export { FakeHypervisor, type FakeDomainView, type FakeHypervisorOptions } from './fake/hypervisor.js';
export type { FakeHostDevices, FakeUse } from './fake/host-devices.js';
export type { FakeFault, FakeProcedure } from './fake/faults.js';
export { FakeLibvirt } from './fake/direct.js';
export { FakeLibvirtd, type FakeLibvirtdOptions } from './fake/libvirtd.js';
