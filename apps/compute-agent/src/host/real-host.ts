/** A real compute host: libvirt, files below the state folder, one agent. Wiring only. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { formatCpuList, NOTHING_PLACED, onlineCpus, type PlacementConfig } from '#libs/config';
import type { Bus } from '#libs/messaging';
import type { PciHost } from '#libs/pci';
import { LibvirtConnection, type Libvirt } from '#libs/libvirt';
import type { Logger } from '#libs/observability';
import { systemClock } from '../clock.js';
import { LibvirtConsoles } from '../consoles/libvirt-consoles.js';
import { DeviceLedger } from '../devices/device-ledger.js';
import { EXIT, FatalError } from '../errors.js';
import { doorTransfers } from '../files/door-transfers.js';
import { LocalFiles } from '../files/local-files.js';
import { probeDiskCache } from '../files/tools.js';
import { LibvirtHypervisor } from '../hypervisor/libvirt.hypervisor.js';
import { ImageCache } from '../images/cache.js';
import { imageUrls } from '../images/image-url.js';
import { LIMITS, type Limits } from '../limits.js';
import { Ledger } from '../reconcile/ledger.js';
import { readBootId } from '../session/boot-id.js';
import type { JoinedIdentity } from '../session/identity.js';
import { cpuProblem } from '../decide/cpu-sets.js';
import type { Share } from '../decide/inventory.js';
import { HostAgent } from './host-agent.js';

export interface RealHostOptions {
  readonly identity: JoinedIdentity;
  readonly bus: Bus;
  readonly stateDir: string;
  readonly libvirtSocket: string;
  readonly virtType: 'kvm' | 'qemu';
  readonly share: Share;
  /** What the operator states of CPUs, huge pages and traits; absent: nothing. */
  readonly placement?: PlacementConfig;
  readonly reservedMemoryMib: number;
  readonly hostAddress: string;
  /** Absent: PCI devices are neither looked at nor given. */
  readonly devices?: { readonly pci: PciHost; readonly mayWrite: boolean };
  readonly logger: Logger;
  /** Tests bring their own. */
  readonly libvirt?: Libvirt;
  /** Where the hypervisor's file system is seen; default: as the hypervisor sees it. */
  readonly hypervisorRoot?: () => string;
  readonly bootId?: string;
  readonly limits?: Limits;
  onReady?(): void;
  onFatal(error: FatalError): void;
}

/** The agent and its ledger, not started. @throws FatalError for settings that this machine cannot follow */
export async function makeRealHost(options: RealHostOptions): Promise<{ agent: HostAgent; ledger: Ledger }> {
  const { identity, bus, stateDir, logger, limits = LIMITS, placement = NOTHING_PLACED } = options;
  const problem = placement.cpus.shared || placement.cpus.dedicated ? cpuProblem(placement.cpus, await onlineCpus(), formatCpuList) : null;
  // A mistake of whoever sets up a host ends here, with nothing made; a CPU that broke or was switched off later must not keep its other guests from coming back.
  if (problem !== null && !existsSync(join(stateDir, 'ledger'))) throw new FatalError(problem, EXIT.usage);
  const instances = join(stateDir, 'instances');
  const ledger = await Ledger.open({ folder: join(stateDir, 'ledger'), durable: true, wallMs: systemClock.wallMs, onProblem: (text) => logger.error(text) });
  if (problem !== null && ledger.entries.size === 0) throw new FatalError(problem, EXIT.usage);
  if (problem !== null) logger.error(`${problem} The agent goes on without it, for the guests that are here.`);
  const images = new ImageCache({
    folder: join(stateDir, 'images'),
    urlOf: imageUrls(bus, identity.hostId),
    inUse: async () => new Set([
      ...(await files.basesInUse()),
      ...[...ledger.entries.values()].filter(({ desired }) => desired.intent !== 'deleted').map(({ desired }) => desired.image.sha512),
    ]),
  });
  const files: LocalFiles = new LocalFiles(instances, images, doorTransfers(imageUrls(bus, identity.hostId)));
  await files.dropHalves(ledger.entries.keys());
  const libvirt = options.libvirt ?? new LibvirtConnection({ socketPath: options.libvirtSocket });
  const hypervisor = new LibvirtHypervisor(libvirt, {
    cloudId: identity.membership.cloudId, virtType: options.virtType, diskCache: await probeDiskCache(instances), cpus: placement.cpus, pathsOf: files.pathsOf,
    ...(options.devices && { opened: (id: string) => options.devices!.pci.opened(id) }),
  });
  const bootId = options.bootId ?? (await readBootId());
  const devices = options.devices && {
    ...options.devices,
    ledger: await DeviceLedger.open({ folder: join(stateDir, 'ledger'), durable: true, bootId, wallMs: systemClock.wallMs, onProblem: (text) => logger.error(text) }),
  };
  const agent = new HostAgent({
    ...(devices && { devices }), hostId: identity.hostId, name: identity.name, simulated: false, bootId, bus, ledger, machine: { hypervisor, files },
    consoles: new LibvirtConsoles(libvirt, { virtType: options.virtType, ...(options.hypervisorRoot && { root: options.hypervisorRoot }) }),
    offer: { ...placement, share: options.share, reservedMemoryMib: options.reservedMemoryMib, reservedDiskGib: 0, virtType: options.virtType, hostAddress: options.hostAddress },
    clock: systemClock, random: Math.random, logger, limits, onFatal: options.onFatal,
    ...(options.onReady && { onReady: options.onReady }),
  });
  return { agent, ledger };
}
