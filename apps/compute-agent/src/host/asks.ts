/** What the control plane may ask of this host directly. Reads only. */
import { hostEcho, inspectOnHost, readConsoleLog, readLedger, type HostId, type OutputOf, type HostInventory } from '#libs/contracts';
import { notFound } from '#libs/errors';
import type { Bus, Subscription } from '#libs/messaging';
import type { Machine } from '../hypervisor/hypervisor.js';
import { LIMITS } from '../limits.js';
import { memoryAfter } from './memory.js';
import type { HostReconciler } from '../reconcile/host.reconciler.js';
import type { Ledger } from '../reconcile/ledger.js';

export interface AsksOptions {
  readonly hostId: HostId;
  readonly name: string;
  readonly simulated: boolean;
  readonly virtType: HostInventory['virtType'];
  readonly bootId: string;
  readonly bus: Bus;
  readonly ledger: Ledger;
  readonly machine: Machine;
  readonly reconciler: HostReconciler;
}

export function answerAsks(options: AsksOptions): Subscription {
  const { bus, hostId, machine } = options;
  const subscriptions = [
    bus.handle(readConsoleLog, async ({ instanceId, lines }) => {
      if (!options.ledger.entries.has(instanceId)) throw notFound('This host has no such instance.');
      return { output: lastLines(await machine.files.readLog(instanceId, LIMITS.consoleLogBytes), lines) };
    }, { group: 'agent', hostId }),
    // Through the bus, this event loop and the hypervisor's connection, as every command goes.
    bus.handle(hostEcho, async () => ({ bootId: options.bootId, hypervisorUp: machine.hypervisor.isUp }), { group: 'agent', hostId }),
    bus.handle(readLedger, ({ after }) => memoryAfter(after, options), { group: 'agent', hostId }),
    bus.handle(inspectOnHost, ({ instanceId }) => inspect(options, instanceId), { group: 'agent', hostId }),
  ];
  return { stop: async () => { await Promise.all(subscriptions.map((subscription) => subscription.stop())); } };
}

/** A log's end as text: what is not UTF-8 is replaced, a character cut by the limit is dropped. */
export function lastLines(bytes: Uint8Array, lines: number | undefined): string {
  let from = 0;
  while (from < Math.min(3, bytes.length) && (bytes[from]! & 0xc0) === 0x80) from += 1;
  const text = new TextDecoder('utf-8').decode(bytes.subarray(from));
  if (lines === undefined) return text;
  if (lines === 0) return '';
  const whole = text.endsWith('\n') ? text.slice(0, -1) : text;
  const last = whole.split('\n').slice(-lines).join('\n');
  return text.endsWith('\n') ? `${last}\n` : last;
}

async function inspect({ ledger, machine, reconciler, name, simulated, virtType }: AsksOptions, id: string): Promise<OutputOf<typeof inspectOnHost>> {
  const entry = ledger.entries.get(id);
  const last = reconciler.last(id);
  // The config drive's files may hold secrets of the tenant; their names are enough to look at.
  const shown = entry && { ...entry, desired: { ...entry.desired, configDrive: Object.keys(entry.desired.configDrive), diskFrom: entry.desired.diskFrom && { transferId: entry.desired.diskFrom.transferId } } };
  return {
    hostname: name, simulated, virtType,
    ledger: shown ?? null,
    observed: last ? { domain: last.facts.domain, files: last.facts.files, plan: last.plan } : null,
    domainXml: machine.hypervisor.isUp ? await machine.hypervisor.domainXml(id) : null,
    files: await machine.files.sizes(id),
  };
}
