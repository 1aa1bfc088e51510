import type { KernelPort } from '../kernel-port.js';
import type { PciAddress, PciHost } from '../api.js';

/** What a host under test must have for a case; a case that needs more is passed over, and said to be. */
export type PciNeed =
  /** Guests without an OS can be given functions. */
  | 'deaf-guests'
  /** A guest that answers, too. */
  | 'guests'
  /** Two endpoints in one group, the second bound to a driver. */
  | 'shared-group'
  | 'pci-pf-stub';

/** One host, fake or real, as the cases see it. */
export interface PciContractHost {
  readonly has: ReadonlySet<PciNeed>;
  readonly port: KernelPort;
  readonly pci: PciHost;
  /** Another agent on the same host: what survives of what the first one knew. */
  again(): { readonly port: KernelPort; readonly pci: PciHost };
  /** An igb PF with 7 VFs, which nobody needs. */
  readonly pf: PciAddress;
  readonly shared: { readonly quiet: PciAddress; readonly bound: PciAddress; readonly driver: string } | null;
  /** A function that offers no reset; null: none. */
  readonly unresettable: PciAddress | null;
  /** Gives the function to a guest, managed by libvirt; the error is libvirt's. */
  giveToGuest(address: PciAddress, options: { readonly answers: boolean }): Promise<void>;
  /** Ends that guest. */
  endGuest(address: PciAddress): Promise<void>;
  /** How long a writer is waited for before it is given up, at most. */
  readonly patienceMs: number;
}

export interface PciCase {
  readonly name: string;
  readonly needs: readonly PciNeed[];
  run(host: PciContractHost): Promise<void>;
}

export interface PciCaseResult { readonly name: string; readonly outcome: 'passed' | 'failed' | 'passed over'; readonly ms: number; readonly error: string | null }

/** Brings the host into the state that every case begins with: its PF up on its own driver, without VFs. */
export async function resetHost(host: PciContractHost): Promise<void> {
  const { functions } = await host.pci.read();
  if ((functions.get(host.pf)?.sriov?.numVfs ?? 0) > 0) await host.pci.setNumVfs(host.pf, 0, { autoprobe: true });
  await host.pci.bind(host.pf, 'kernel');
  if (host.shared !== null) {
    await host.pci.bind(host.shared.quiet, null);
    await host.pci.bind(host.shared.bound, 'kernel');
  }
  await host.pci.linkUp(host.pf);
}

/** All cases, one after the other, without a test runner. */
export async function runPciContract(host: PciContractHost, cases: readonly PciCase[], tell: (result: PciCaseResult) => void = () => undefined): Promise<readonly PciCaseResult[]> {
  const results: PciCaseResult[] = [];
  for (const one of cases) {
    const started = performance.now();
    let result: PciCaseResult = { name: one.name, outcome: 'passed over', ms: 0, error: null };
    if (one.needs.every((need) => host.has.has(need))) {
      let error: string | null = null;
      try {
        await resetHost(host);
        await one.run(host);
      } catch (failed) {
        error = failed instanceof Error ? failed.stack ?? failed.message : String(failed);
      }
      result = { name: one.name, outcome: error === null ? 'passed' : 'failed', ms: Math.round(performance.now() - started), error };
    }
    results.push(result);
    tell(result);
  }
  return results;
}
