import { join } from 'node:path';
import type { AgentConfig } from '#libs/config';
import { guestsService, guestsServiceText } from '#libs/libvirt';
import { createLogger, serveMonitor, type Logger } from '#libs/observability';
import { SysfsPci, type PciHost } from '#libs/pci';
import { connectHost } from '../host/host-bus.js';
import { makeRealHost } from '../host/real-host.js';
import { gaugeSources } from '../metrics.js';
import { LIMITS } from '../limits.js';
import { joinedIdentity } from '../session/identity.js';
import { holdAlone } from '../session/only-one.js';
import type { Ledger } from '../reconcile/ledger.js';
import type { HostAgent } from '../host/host-agent.js';
import { removeReadyFile, untilStopped, writeReadyFile } from './process.js';

/** Only root may bind and unbind; an agent that is not looks, and says so. */
function devicesOf({ devices, runDir, stateDir }: AgentConfig, logger: Logger): { devices?: { pci: PciHost; mayWrite: boolean } } {
  if (devices === 'off') return {};
  const isRoot = process.getuid?.() === 0;
  if (devices === 'manage' && !isRoot) logger.warn('SKYLITE_DEVICES is manage, and the agent is not root: devices are only looked at');
  return { devices: { pci: new SysfsPci({ runDir: isRoot ? runDir : join(stateDir, 'run') }), mayWrite: devices === 'manage' && isRoot } };
}

const MACHINE_SOCKET = '/run/libvirt/libvirt-sock';

/** `run`: one real host's agent, until it is told to stop. @returns the exit code */
export async function run(config: AgentConfig): Promise<number> {
  const identity = await joinedIdentity(config.stateDir);
  const logger = createLogger(`agent ${identity.name}`, config.logLevel);
  await holdAlone(identity.hostId, LIMITS.onlyOneMs);
  removeReadyFile(config.readyFile);
  const host: { made?: { agent: HostAgent; ledger: Ledger } } = {};
  const bus = connectHost(identity, () => host.made?.ledger.host.incarnation ?? 0, logger);
  const { fatal, ended } = untilStopped(logger, async () => {
    await host.made?.agent.stop();
    await Promise.all([bus.close(), monitor.close()]);
  });
  const monitor = await serveMonitor({
    port: config.metricsPort, onProblem: (text) => logger.warn(text),
    health: () => {
      const detail = host.made?.agent.health ?? { ok: false, detail: 'starting' };
      return { ok: detail.ok, parts: { host: detail } };
    },
  });
  host.made = await makeRealHost({
    identity, bus, logger, stateDir: config.stateDir, libvirtSocket: config.libvirtSocket, virtType: config.virtType, share: config.share, placement: config.placement,
    reservedMemoryMib: config.reservedMemoryMib, ...devicesOf(config, logger), hostAddress: config.hostAddress, onFatal: fatal,
    onReady: () => writeReadyFile(config.readyFile, { hostId: identity.hostId, name: identity.name, metricsPort: monitor.port ?? null }),
  });
  const { agent, ledger } = host.made;
  gaugeSources.instances = () => ledger.entries.size;
  gaugeSources.hypervisorsUp = () => (agent.hypervisorUp ? 1 : 0);
  // Only the machine's own libvirt is its business.
  const others = config.libvirtSocket === MACHINE_SOCKET ? guestsService() : null;
  if (others) logger.warn(guestsServiceText(others), 'somebody else stops and starts guests of this host');
  agent.start();
  return ended;
}
