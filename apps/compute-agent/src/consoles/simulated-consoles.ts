/** Consoles of simulated guests: they say what they are, echo what is typed, and have no screen. */
import { Duplex } from 'node:stream';
import type { ConsoleKind, GuestDiagnostics } from '#libs/contracts';
import { conflict, notFound, unsupported } from '#libs/errors';
import type { Hypervisor } from '../hypervisor/hypervisor.js';
import { readDiagnosticsOf } from './decide/read-diagnostics.js';
import type { GuestConsoles } from './guest-consoles.js';

export class SimulatedConsoles implements GuestConsoles {
  constructor(private readonly hypervisor: Hypervisor) {}

  async open(id: string, kind: ConsoleKind): Promise<Duplex> {
    await this.#running(id);
    if (kind === 'vnc') throw unsupported('The server is a simulated one and has no screen.');
    const echo = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        echo.push(chunk);
        done();
      },
    });
    echo.push(`This is a simulated guest on a simulated host: nothing really runs.\r\nsimulated guest ${id}: what you type is echoed\r\n`);
    return echo;
  }

  async diagnostics(id: string): Promise<GuestDiagnostics> {
    await this.#running(id);
    return readDiagnosticsOf({ state: 'running', hypervisor: 'simulated', counters: new Map(), macs: new Map() });
  }

  async #running(id: string): Promise<void> {
    const domain = (await this.hypervisor.observe(new Set([id]))).domains.get(id);
    if (domain === undefined) throw notFound('This host has no such guest.');
    if (domain.power !== 'running') throw conflict('The server is not running.');
  }
}
