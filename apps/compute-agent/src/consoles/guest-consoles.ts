/**
 * What consoles and diagnostics need of a hypervisor. Two of them: libvirt's, and a simulated one. Both only open and count;
 * who may look was decided long before.
 */
import type { Duplex } from 'node:stream';
import type { ConsoleKind, GuestDiagnostics } from '#libs/contracts';

/** Throws SkyError: `not-found` (no such guest), `conflict` (not running, or in use), `unsupported`, `unavailable`. */
export interface GuestConsoles {
  /** Bytes both ways; destroying it leaves the guest alone. `takeOver`: ends whoever looks at a serial console now. */
  open(id: string, kind: ConsoleKind, takeOver: boolean): Promise<Duplex>;
  diagnostics(id: string): Promise<GuestDiagnostics>;
}
