/**
 * What an extra spec of a known namespace may be called and may say, from microversion 2.86 on. Namespaces that are not
 * known here are anybody's own and pass. Pure.
 */
import { STANDARD_RESOURCES, STANDARD_TRAITS } from './standard-names.js';

type Problem = string | undefined;
type Check = (value: string) => Problem;

const failed = (text: string): string => `Validation failed; ${text}.`;

const text: Check = () => undefined;
const flag: Check = (value) => (/^(1|t|true|on|y|yes|0|f|false|off|n|no)$/i.test(value.trim()) ? undefined : failed(`'${value}' is not a valid boolean-like value`));
const oneOf = (...words: string[]): Check => (value) => (words.includes(value) ? undefined : failed(`'${value}' is not one of: ${words.join(', ')}`));
/** Nova's pattern is what people are told; the same said without ambiguity is what runs, so that no text takes long. */
const like = (pattern: string, unambiguous = pattern): Check => {
  const whole = new RegExp(`^(?:${unambiguous})$`);
  return (value) => (whole.test(value) ? undefined : failed(`'${value}' is not of the format '${pattern}'`));
};
const integer = (min?: number, max?: number): Check => (value) => {
  if (!/^\s*[+-]?\d+(?:_\d+)*\s*$/.test(value)) return failed(`'${value}' is not a valid integer value`);
  const number = Number(value.replaceAll('_', ''));
  if (max !== undefined && number > max) return failed(`'${number}' is greater than the max value of '${max}'`);
  if (min !== undefined && number < min) return failed(`'${number}' is less than the min value of '${min}'`);
  return undefined;
};
const requirement = oneOf('required', 'forbidden');
const CPUS = String.raw`\^?\d+(?:-\d+|,\^?\d+)*`;
const cpus = like(String.raw`\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*`, CPUS);

/** A name that is one name. */
const NAMED: Readonly<Record<string, Check>> = {
  hide_hypervisor_id: flag,
  group_policy: oneOf('isolate', 'none'),
  'accel:device_profile': text,
  'hw:cpu_realtime': flag,
  'hw:cpu_realtime_mask': like(String.raw`(\^)?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*`, CPUS),
  'hw:hide_hypervisor_id': flag,
  'hw:cpu_policy': oneOf('dedicated', 'shared', 'mixed'),
  'hw:cpu_thread_policy': oneOf('prefer', 'isolate', 'require'),
  'hw:emulator_threads_policy': oneOf('isolate', 'share'),
  'hw:cpu_dedicated_mask': cpus,
  'hw:mem_page_size': like(String.raw`(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)`),
  'hw:locked_memory': flag,
  'hw:numa_nodes': integer(1),
  'hw:pci_numa_affinity_policy': oneOf('required', 'preferred', 'legacy', 'socket'),
  'hw:cpu_sockets': integer(1), 'hw:cpu_cores': integer(1), 'hw:cpu_threads': integer(1),
  'hw:cpu_max_sockets': integer(1), 'hw:cpu_max_cores': integer(1), 'hw:cpu_max_threads': integer(1),
  'hw:boot_menu': flag, 'hw:vif_multiqueue_enabled': flag, 'hw:mem_encryption': flag, 'hw:pmu': flag, 'hw:virtio_packed_ring': flag, 'hw:ephemeral_encryption': flag,
  'hw:mem_encryption_model': oneOf('amd-sev', 'amd-sev-es', 'amd-sev-snp'),
  'hw:pmem': like('([a-zA-Z0-9_]+(,)?)+', '[a-zA-Z0-9_]+(?:,[a-zA-Z0-9_]+)*,?'),
  'hw:serial_port_count': integer(0),
  'hw:tpm_model': oneOf('tpm-tis', 'tpm-crb'), 'hw:tpm_version': oneOf('1.2', '2.0'), 'hw:tpm_secret_security': oneOf('user', 'host', 'deployment'),
  'hw:watchdog_action': oneOf('none', 'pause', 'poweroff', 'reset', 'disabled'),
  'hw:viommu_model': oneOf('intel', 'smmuv3', 'virtio', 'auto'),
  'hw:sound_model': oneOf('sb16', 'es1370', 'pcspk', 'ac97', 'ich6', 'ich9', 'usb', 'virtio'),
  'hw:usb_model': oneOf('none', 'nec-xhci', 'qemu-xhci'),
  'hw:redirected_usb_ports': integer(0, 15),
  'hw:ephemeral_encryption_format': oneOf('plain', 'luks', 'luksv2'),
  'hw_rng:allowed': flag, 'hw_rng:rate_bytes': integer(0), 'hw_rng:rate_period': integer(0),
  'hw_video:ram_max_mb': integer(0),
  'os:secure_boot': oneOf('disabled', 'required'),
  'pci_passthrough:alias': like(String.raw`[^:]+:\d+(?:\s*,\s*[^:]+:\d+)*`),
  'quota:cpu_shares': integer(0), 'quota:cpu_period': integer(0), 'quota:cpu_quota': integer(),
  'vmware:hw_version': text, 'vmware:storage_policy': text,
};

const CAPABILITIES = [
  'id', 'uuid', 'service_id', 'host', 'vcpus', 'memory_mb', 'local_gb', 'vcpus_used', 'memory_mb_used', 'local_gb_used', 'hypervisor_type', 'hypervisor_version', 'hypervisor_hostname',
  'free_ram_mb', 'free_disk_gb', 'current_workload', 'running_vms', 'disk_available_least', 'host_ip', 'mapped', 'cpu_allocation_ratio', 'ram_allocation_ratio', 'disk_allocation_ratio',
  'total_usable_ram_mb', 'total_usable_disk_gb', 'disk_mb_used', 'free_disk_mb', 'vcpus_total', 'num_instances', 'num_io_ops', 'failed_builds', 'aggregates', 'cell_uuid', 'updated',
];
const DEEP_CAPABILITIES = [
  'cpu_info', 'metrics', 'stats', 'numa_topology', 'supported_hv_specs', 'pci_device_pools', 'nodename', 'pci_stats', 'supported_instances', 'limits', 'instances',
];
const GROUP = '([a-zA-Z0-9_-]{1,64})?';

/** A name with something of one's own in it, and what its parts must be. */
const PATTERNS: ReadonlyArray<readonly [name: RegExp, check: Check, also?: (part: string) => boolean]> = [
  [/^hw:numa_cpus\.\d+$/, cpus],
  [/^hw:numa_mem\.\d+$/, integer(1)],
  [/^aggregate_instance_extra_specs:.+$/, text],
  [new RegExp(`^capabilities:(?:${CAPABILITIES.join('|')})$`), text],
  [new RegExp(`^capabilities:(?:${DEEP_CAPABILITIES.join('|')})(?::\\w+)*$`), text],
  [/^quota:(?:cpu|memory|disk_io|vif)_(?:limit|shares_share)$/, integer(0)],
  [/^quota:(?:cpu|memory|disk_io|vif)_reservation$/, integer()],
  [/^quota:(?:cpu|memory|disk_io|vif)_shares_level$/, oneOf('custom', 'high', 'normal', 'low')],
  [/^quota:disk_(?:read|write|total)_(?:bytes|iops)_sec$/, integer(0)],
  [/^quota:vif_(?:inbound|outbound)_(?:average|peak|burst)$/, integer(0)],
  [new RegExp(`^resources${GROUP}:CUSTOM_[A-Z0-9_]+$`), integer()],
  [new RegExp(`^resources${GROUP}:(?<part>[A-Z0-9_]+)$`), integer(), (name) => STANDARD_RESOURCES.has(name)],
  [new RegExp(`^trait${GROUP}:CUSTOM_[A-Z0-9_]+$`), requirement],
  [new RegExp(`^trait${GROUP}:(?<part>[A-Z0-9_]+)$`), requirement, (name) => STANDARD_TRAITS.has(name)],
];

const NAMESPACES = new RegExp(`^(?:accel|aggregate_instance_extra_specs|capabilities|hw|hw_rng|hw_video|os|pci_passthrough|quota|resources${GROUP}|trait${GROUP}|vmware)$`);

/** What is wrong with an extra spec, in Nova's words; undefined: nothing. */
export function whyNotExtraSpec(name: string, value: string): Problem {
  const check = checkOf(name);
  if (check !== undefined) return check(value);
  const [namespace = '', ...rest] = name.split(':');
  if (rest.length === 0 || !NAMESPACES.test(namespace)) return undefined;
  return failed(`extra spec '${name}' does not appear to be a valid extra spec`);
}

/** The same of a name that is known; any other may say anything. */
export const whyNotExtraSpecValue = (name: string, value: string): Problem => checkOf(name)?.(value);

function checkOf(name: string): Check | undefined {
  if (Object.hasOwn(NAMED, name)) return NAMED[name];
  for (const [pattern, check, fits] of PATTERNS) {
    const found = pattern.exec(name);
    if (found && (fits === undefined || fits(found.groups?.['part'] ?? ''))) return check;
  }
  return undefined;
}
