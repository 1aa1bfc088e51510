/** A guest's counters in Nova's two shapes: libvirt's own names before 2.48, one shape for every hypervisor from then on. Pure. */
import type { getServerDiagnostics, GuestDiagnostics, OutputOf } from '#libs/contracts';
import { has, type Microversion } from '#libs/openstack';

type Answer = OutputOf<typeof getServerDiagnostics>;

export const diagnosticsView = (answer: Answer, version: Microversion): Record<string, unknown> =>
  (has(version, 'diagnostics.standard') ? standard(answer) : byLibvirtsNames(answer.guest));

function byLibvirtsNames({ cpus, disks, nics, maxMemoryKib, memory }: GuestDiagnostics): Record<string, number> {
  const found: [string, number | null][] = [
    ...cpus.map(({ id, timeNs }): [string, number | null] => [`cpu${id}_time`, timeNs]),
    ...disks.flatMap(({ device, readRequests, readBytes, writeRequests, writeBytes, errors }): [string, number | null][] => [
      [`${device}_read_req`, readRequests], [`${device}_read`, readBytes], [`${device}_write_req`, writeRequests], [`${device}_write`, writeBytes],
      [`${device}_errors`, errors ?? -1],
    ]),
    ...nics.flatMap(({ device, rxOctets, rxPackets, rxErrors, rxDrop, txOctets, txPackets, txErrors, txDrop }): [string, number | null][] => [
      [`${device}_rx`, rxOctets], [`${device}_rx_packets`, rxPackets], [`${device}_rx_errors`, rxErrors], [`${device}_rx_drop`, rxDrop],
      [`${device}_tx`, txOctets], [`${device}_tx_packets`, txPackets], [`${device}_tx_errors`, txErrors], [`${device}_tx_drop`, txDrop],
    ]),
    ['memory', maxMemoryKib],
    ...Object.entries(memory).map(([name, value]): [string, number] => [`memory-${name}`, value]),
  ];
  return Object.fromEntries(found.filter((pair): pair is [string, number] => pair[1] !== null));
}

const mib = (kib: number | null): number | null => (kib === null ? null : Math.floor(kib / 1024));

function standard({ configDrive, uptimeS, guest }: Answer): Record<string, unknown> {
  const { cpus, disks, nics } = guest;
  return {
    config_drive: configDrive, driver: 'libvirt', hypervisor: guest.hypervisor, hypervisor_os: guest.hypervisorOs, state: guest.state, uptime: uptimeS,
    num_cpus: cpus.length, num_disks: disks.length, num_nics: nics.length,
    cpu_details: cpus.map(({ id, timeNs }) => ({ id, time: timeNs, utilisation: null })),
    disk_details: disks.map(({ readBytes, readRequests, writeBytes, writeRequests, errors }) => ({
      read_bytes: readBytes, read_requests: readRequests, write_bytes: writeBytes, write_requests: writeRequests, errors_count: errors,
    })),
    memory_details: { maximum: mib(guest.maxMemoryKib), used: mib(guest.usedMemoryKib) },
    nic_details: nics.map(({ mac, rxOctets, rxPackets, rxErrors, rxDrop, txOctets, txPackets, txErrors, txDrop }) => ({
      mac_address: mac, rx_octets: rxOctets, rx_packets: rxPackets, rx_errors: rxErrors, rx_drop: rxDrop, rx_rate: null,
      tx_octets: txOctets, tx_packets: txPackets, tx_errors: txErrors, tx_drop: txDrop, tx_rate: null,
    })),
  };
}
