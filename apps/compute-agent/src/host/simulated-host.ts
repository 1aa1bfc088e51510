/** A purely simulated compute host: the same agent over a machine in memory. Wiring only. */
import { join } from 'node:path';
import { formatCpuList, NOTHING_PLACED, type PlacementConfig } from '#libs/config';
import type { Bus } from '#libs/messaging';
import type { Logger } from '#libs/observability';
import { systemClock } from '../clock.js';
import { SimulatedConsoles } from '../consoles/simulated-consoles.js';
import { cpuProblem } from '../decide/cpu-sets.js';
import { EXIT, FatalError } from '../errors.js';
import { imageUrls } from '../images/image-url.js';
import { LIMITS, type Limits } from '../limits.js';
import { Ledger } from '../reconcile/ledger.js';
import type { JoinedIdentity } from '../session/identity.js';
import { SimulatedMachine } from '../simulated/simulated-machine.js';
import { DEFAULT_SHAPE, simulatedCells, type SimulatedShape } from '../simulated/simulated-shape.js';
import { DeviceLedger } from '../devices/device-ledger.js';
import { HostAgent } from './host-agent.js';

export interface SimulatedHostOptions {
  readonly identity: JoinedIdentity;
  readonly bus: Bus;
  readonly stateDir: string;
  readonly logger: Logger;
  readonly pullEveryMs?: number;
  readonly shape?: SimulatedShape;
  /** What is stated of CPUs, huge pages and traits; absent: nothing. */
  readonly placement?: PlacementConfig;
  readonly limits?: Limits;
  onReady?(): void;
  onFatal(error: FatalError): void;
}

/** The agent and its ledger, not started. @throws FatalError for settings that this pretended machine cannot follow */
export async function makeSimulatedHost(options: SimulatedHostOptions): Promise<{ agent: HostAgent; ledger: Ledger; machine: SimulatedMachine }> {
  const { identity, bus, stateDir, logger, limits = { ...LIMITS, tickEveryMs: LIMITS.simulatedTickEveryMs }, shape = DEFAULT_SHAPE, placement = NOTHING_PLACED } = options;
  const problem = cpuProblem(placement.cpus, simulatedCells(shape).flatMap(({ cpus }) => cpus), formatCpuList);
  if (problem !== null) throw new FatalError(problem, EXIT.usage);
  const ledger = await Ledger.open({ folder: join(stateDir, 'ledger'), durable: false, wallMs: systemClock.wallMs, onProblem: (text) => logger.error(text) });
  const machine = new SimulatedMachine({
    folder: join(stateDir, 'machine'), cloudId: identity.membership.cloudId, urlOf: imageUrls(bus, identity.hostId), after: systemClock.after, shape, cpus: placement.cpus,
  });
  const devices = machine.pci && {
    pci: machine.pci.pci, mayWrite: true,
    ledger: await DeviceLedger.open({ folder: join(stateDir, 'ledger'), durable: false, bootId: machine.bootId, wallMs: systemClock.wallMs, onProblem: (text) => logger.error(text) }),
  };
  const agent = new HostAgent({
    ...(devices && { devices }), hostId: identity.hostId, name: identity.name, simulated: true, bootId: machine.bootId, bus, ledger, machine, consoles: new SimulatedConsoles(machine),
    offer: { ...placement, share: {}, reservedMemoryMib: 0, reservedDiskGib: 0, virtType: 'simulated', hostAddress: '127.0.0.1' },
    clock: systemClock, random: Math.random, logger, limits, onFatal: options.onFatal,
    ...(options.pullEveryMs !== undefined && { pullEveryMs: options.pullEveryMs }), ...(options.onReady && { onReady: options.onReady }),
  });
  return { agent, ledger, machine };
}
