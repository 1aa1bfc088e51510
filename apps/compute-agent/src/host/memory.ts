/** What this host remembers, for a control plane whose database was restored: the ledger, and domains that only tell it themselves. Reads only. */
import type { OutputOf, readLedger, RememberedInstance } from '#libs/contracts';
import { rememberedIn } from '../domain-xml/remembered.js';
import type { Machine } from '../hypervisor/hypervisor.js';
import type { HostReconciler } from '../reconcile/host.reconciler.js';
import type { Ledger } from '../reconcile/ledger.js';

/** A page well under the bus's 1 MiB. */
const PAGE_BYTES = 400 * 1024;

export async function memoryAfter(after: string, { ledger, machine, reconciler }: { ledger: Ledger; machine: Machine; reconciler: HostReconciler }): Promise<OutputOf<typeof readLedger>> {
  const { incarnation, epoch, upTo } = ledger.host;
  const observed = machine.hypervisor.isUp ? (await machine.hypervisor.observe(new Set())).domains : new Map();
  const ids = [...new Set([...ledger.entries.keys(), ...[...observed.values()].filter(({ notes }) => notes !== null).map(({ id }) => id as string)])].filter((id) => id > after).sort();
  const entries: RememberedInstance[] = [];
  let bytes = 0;
  let at = 0;
  for (; at < ids.length && bytes < PAGE_BYTES; at += 1) {
    const entry = await remembered(ids[at]!);
    if (!entry) continue;
    entries.push(entry);
    bytes += Buffer.byteLength(JSON.stringify(entry));
  }
  // The next page begins after the last id, whether it could be read or not.
  return { incarnation, epoch, upTo, entries, more: at < ids.length };

  async function remembered(id: string): Promise<RememberedInstance | null> {
    const entry = ledger.entries.get(id);
    if (entry) return { desired: entry.desired, sequence: entry.sequence, state: reconciler.last(id)?.plan.state ?? 'building', built: entry.progress.built !== null || (observed.get(id)?.notes ?? null) !== null, source: 'ledger' };
    const xml = await machine.hypervisor.domainXml(id);
    const desired = xml === null ? null : rememberedIn(xml);
    const power = observed.get(id)?.power;
    return desired && { desired, sequence: 0, state: power ?? 'stopped', built: true, source: 'notes' };
  }
}
