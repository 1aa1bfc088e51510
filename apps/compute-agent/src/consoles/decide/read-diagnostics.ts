/**
 * libvirt's counters of one domain, put into our words. Owns the names; pure. What is not counted is null, never zero.
 */
import type { GuestDiagnostics } from '#libs/contracts';

export type Counters = ReadonlyMap<string, number | bigint | string | boolean>;

export interface DiagnosedDomain {
  readonly state: GuestDiagnostics['state'];
  readonly hypervisor: string;
  readonly counters: Counters;
  /** MAC addresses by the name of the host's side. */
  readonly macs: ReadonlyMap<string, string>;
}

/** libvirt's names in bulk statistics, where those of single questions (which the API shows) differ. */
const MEMORY_NAMES: Readonly<Record<string, string>> = { current: 'actual', 'last-update': 'last_update' };

export function readDiagnosticsOf({ state, hypervisor, counters, macs }: DiagnosedDomain): GuestDiagnostics {
  const number = (field: string): number | null => {
    const value = counters.get(field);
    return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : null;
  };
  const each = <T>(group: string, of: (prefix: string, device: string) => T): T[] =>
    Array.from({ length: number(`${group}.count`) ?? 0 }, (_, index) => of(`${group}.${index}`, String(counters.get(`${group}.${index}.name`) ?? index)));

  const memory: Record<string, number> = {};
  for (const field of counters.keys()) {
    const name = field.startsWith('balloon.') ? field.slice('balloon.'.length) : 'maximum';
    const value = number(field);
    if (name !== 'maximum' && value !== null) memory[MEMORY_NAMES[name] ?? name] = value;
  }
  const { available, unused } = memory;
  return {
    hypervisor, hypervisorOs: 'linux', state,
    maxMemoryKib: number('balloon.maximum') ?? 0,
    usedMemoryKib: available !== undefined && unused !== undefined ? available - unused : null,
    memory,
    cpus: [...counters.keys()].flatMap((field) => {
      const found = /^vcpu\.(\d+)\.time$/.exec(field);
      return found ? [{ id: Number(found[1]), timeNs: number(field) }] : [];
    }).sort((a, b) => a.id - b.id),
    disks: each('block', (at, device) => ({
      device, readBytes: number(`${at}.rd.bytes`), readRequests: number(`${at}.rd.reqs`), writeBytes: number(`${at}.wr.bytes`), writeRequests: number(`${at}.wr.reqs`), errors: number(`${at}.errors`),
    })),
    nics: each('net', (at, device) => ({
      device, mac: macs.get(device) ?? null,
      rxOctets: number(`${at}.rx.bytes`), rxErrors: number(`${at}.rx.errs`), rxDrop: number(`${at}.rx.drop`), rxPackets: number(`${at}.rx.pkts`),
      txOctets: number(`${at}.tx.bytes`), txErrors: number(`${at}.tx.errs`), txDrop: number(`${at}.tx.drop`), txPackets: number(`${at}.tx.pkts`),
    })),
  };
}
