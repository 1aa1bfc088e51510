/**
 * Consoles and counters of libvirt's guests. Owns: where a guest's screen is found (its running definition says it; always a
 * socket in its own folder), and what libvirt's refusals mean. Opens, reads, never changes a domain. A crash closes what was open.
 */
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConsoleKind, GuestDiagnostics } from '#libs/contracts';
import { conflict, notFound, unavailable, unsupported } from '#libs/errors';
import { isLibvirtError, LibvirtError, type DomainRef, type DomainState, type Libvirt } from '#libs/libvirt';
import { findXml, readXml, type XmlElement } from '../domain-xml/read-xml.js';
import { LIMITS } from '../limits.js';
import { readDiagnosticsOf } from './decide/read-diagnostics.js';
import type { GuestConsoles } from './guest-consoles.js';

export interface LibvirtConsolesOptions {
  readonly virtType: string;
  /** Where the hypervisor's file system is mounted, for tests that look at a host from outside. */
  readonly root?: () => string;
}

export class LibvirtConsoles implements GuestConsoles {
  constructor(private readonly libvirt: Libvirt, private readonly options: LibvirtConsolesOptions) {}

  async open(id: string, kind: ConsoleKind, takeOver: boolean): Promise<Duplex> {
    return this.#asked(async () => {
      const domain = await this.#running(id);
      return kind === 'serial' ? this.libvirt.openConsole(domain, { force: takeOver }) : this.#screen(domain);
    });
  }

  async diagnostics(id: string): Promise<GuestDiagnostics> {
    return this.#asked(async () => {
      const domain = await this.#running(id);
      const [[found], xml, { state }] = await Promise.all([
        this.libvirt.getAllDomainStats({ domains: [domain], groups: { state: true, cpuTotal: true, balloon: true, vcpu: true, interface: true, block: true } }),
        this.libvirt.domainGetXmlDesc(domain), this.libvirt.domainGetState(domain),
      ]);
      if (found === undefined) throw notFound('This host has no such guest.');
      return readDiagnosticsOf({ state: wordOf(state), hypervisor: this.options.virtType, counters: found.stats, macs: macsIn(readXml(xml)) });
    });
  }

  async #running(id: string): Promise<DomainRef> {
    const domain = await this.libvirt.domainLookupByUuid(id);
    if (domain.id < 0) throw conflict('The server is not running.');
    return domain;
  }

  async #screen(domain: DomainRef): Promise<Duplex> {
    const path = screenIn(readXml(await this.libvirt.domainGetXmlDesc(domain)));
    if (path === null) throw unsupported('The server was made before servers had a screen; its serial console works, and a rebuild gives it a screen.');
    const socket = connect(`${this.options.root?.() ?? ''}${path}`);
    socket.setTimeout(LIMITS.consoleOpenMs, () => socket.destroy(new Error('no answer')));
    await new Promise<void>((resolve, reject) => { socket.once('connect', resolve).once('error', reject); })
      .catch((error: unknown) => { throw unavailable("The server's screen cannot be reached on its host.", { internal: String(error), cause: error }); });
    socket.removeAllListeners('error');
    return socket.setTimeout(0);
  }

  async #asked<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isLibvirtError(error, 'NO_DOMAIN')) throw notFound('This host has no such guest.', { cause: error });
      if (error instanceof LibvirtError && /active console session/i.test(error.message)) throw conflict('The console is in use on its host.', { cause: error });
      if (isLibvirtError(error, 'OPERATION_INVALID')) throw conflict('The server is not running.', { cause: error });
      if (error instanceof Error && error.name.startsWith('Libvirt')) throw unavailable("The server's host cannot tell now.", { internal: error.message, cause: error });
      throw error;
    }
  }
}

/** The path of a running domain's screen; null: it has none, or not where ours are. */
export function screenIn(domain: XmlElement): string | null {
  const screens = findXml(domain, 'devices')?.children.filter((child) => child.name === 'graphics' && child.attributes['type'] === 'vnc') ?? [];
  for (const screen of screens) {
    const listen = screen.children.find((child) => child.name === 'listen' && child.attributes['type'] === 'socket');
    const path = listen?.attributes['socket'] ?? screen.attributes['socket'];
    if (path) return path;
  }
  return null;
}

function macsIn(domain: XmlElement): Map<string, string> {
  const nics = findXml(domain, 'devices')?.children.filter((child) => child.name === 'interface') ?? [];
  return new Map(nics.map((nic) => [findXml(nic, 'target')?.attributes['dev'] ?? '', findXml(nic, 'mac')?.attributes['address'] ?? '']));
}

function wordOf(state: DomainState['state']): GuestDiagnostics['state'] {
  if (state === 'paused') return 'paused';
  if (state === 'pmsuspended') return 'suspended';
  if (state === 'crashed') return 'crashed';
  if (state === 'shutoff') return 'shutdown';
  return state === 'nostate' ? 'pending' : 'running';
}
