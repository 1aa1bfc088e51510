import { z } from 'zod';
import { has } from '#libs/openstack';
import { versioned } from '../../http/read-input.js';

const Count = z.number().nullable();
const Standard = z.strictObject({
  config_drive: z.boolean(), driver: z.string(), hypervisor: z.string(), hypervisor_os: z.string(), state: z.string(), uptime: Count,
  num_cpus: z.int(), num_disks: z.int(), num_nics: z.int(),
  cpu_details: z.array(z.strictObject({ id: z.int(), time: Count, utilisation: Count })),
  disk_details: z.array(z.strictObject({ read_bytes: Count, read_requests: Count, write_bytes: Count, write_requests: Count, errors_count: Count })),
  memory_details: z.strictObject({ maximum: Count, used: Count }),
  nic_details: z.array(z.strictObject({
    mac_address: z.string().nullable(), rx_octets: Count, rx_packets: Count, rx_errors: Count, rx_drop: Count, rx_rate: Count,
    tx_octets: Count, tx_packets: Count, tx_errors: Count, tx_drop: Count, tx_rate: Count,
  })),
});

/** Before 2.48: names of devices and counters, as libvirt has them. */
export const DiagnosticsAnswer = versioned((version) => (has(version, 'diagnostics.standard') ? Standard : z.record(z.string(), z.number())));
