import { describe, expect, it } from '@jest/globals';
import { whyNotExtraSpec } from './extra-specs.js';

const stranger = (name: string) => `Validation failed; extra spec '${name}' does not appear to be a valid extra spec.`;

describe('extra specs', () => {
  it.each([
    ['hw:cpu_policy', 'dedicated'], ['hw:numa_nodes', '2'], ['hw:numa_cpus.0', '0-3,^1'], ['hw:numa_mem.1', '512'], ['hw:mem_page_size', '1GB'], ['hw:cpu_realtime', 'yes'],
    ['hw:pmu', 'False'], ['os:secure_boot', 'required'], ['quota:cpu_quota', '-1'], ['quota:disk_read_iops_sec', '0'], ['resources:VCPU', '2'], ['resources1:CUSTOM_GOLD', '1'],
    ['resources_A:VGPU', '1'], ['trait:HW_CPU_X86_AVX2', 'required'], ['trait1:CUSTOM_FAST', 'forbidden'], ['group_policy', 'none'], ['hide_hypervisor_id', '1'],
    ['capabilities:cpu_info:features', '<in> avx'], ['capabilities:hypervisor_type', 's== QEMU'], ['aggregate_instance_extra_specs:ssd', 'true'], ['pci_passthrough:alias', 'a1:2, b:1'],
    ['hw_rng:rate_bytes', '24'], ['hw:redirected_usb_ports', '15'], ['a:b', 'anything'], ['anything', 'x'], ['hwx:y', ''],
  ])('%s=%s passes', (name, value) => expect(whyNotExtraSpec(name, value)).toBeUndefined());

  it.each([
    ['hw:cpu_policy', 'sometimes', "Validation failed; 'sometimes' is not one of: dedicated, shared, mixed."],
    ['hw:numa_nodes', '0', "Validation failed; '0' is less than the min value of '1'."],
    ['hw:numa_nodes', 'two', "Validation failed; 'two' is not a valid integer value."],
    ['hw:redirected_usb_ports', '16', "Validation failed; '16' is greater than the max value of '15'."],
    ['hw:cpu_realtime', 'perhaps', "Validation failed; 'perhaps' is not a valid boolean-like value."],
    ['hw:mem_page_size', 'huge', String.raw`Validation failed; 'huge' is not of the format '(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)'.`],
    ['hw:numa_cpus.x', '1', stranger('hw:numa_cpus.x')], ['hw:cpupolicy', 'dedicated', stranger('hw:cpupolicy')], ['trait:HW_CPU_X86_NOPE', 'required', stranger('trait:HW_CPU_X86_NOPE')],
    ['resources:GOLD', '1', stranger('resources:GOLD')], ['trait:CUSTOM_A', 'yes', "Validation failed; 'yes' is not one of: required, forbidden."],
    ['capabilities:colour', 'red', stranger('capabilities:colour')], ['quota:x', '1', stranger('quota:x')], ['hw:constructor', '1', stranger('hw:constructor')],
  ])('%s=%s is refused', (name, value, why) => expect(whyNotExtraSpec(name, value)).toBe(why));
});
