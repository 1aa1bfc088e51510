/** Why libvirt, QEMU or the kernel's VFIO gave a guest no device, told from their words. Pure. */

export interface VfioRefusal { readonly code: string; readonly message: string }

/** By what the words have in common in libvirt 9 to 11 and QEMU 7 to 10; the first that fits is meant. */
const ROWS: readonly (readonly [words: RegExp, code: string, sentence: string])[] = [
  [/set iommu for container: Operation not permitted/i, 'no-interrupt-remapping',
    'The host\'s IOMMU does not remap interrupts, so its kernel passes no device to a guest. Switch interrupt remapping on in the firmware (and take intremap=off from the kernel command line).'],
  [/support passthrough of host PCI devices|No IOMMU found/i, 'no-iommu',
    'The host has no IOMMU. Switch it on in the firmware and on the kernel command line (intel_iommu=on, amd_iommu=on).'],
  [/group \d+ is not viable/i, 'group-not-viable', 'The host itself uses another function of the device\'s IOMMU group: skylite device show names it.'],
  [/VFIO_MAP_DMA|vfio_dma_map|cannot limit locked memory/i, 'memory-not-pinned',
    'The guest\'s memory could not be pinned for its device. Look at the host\'s free memory, and at the limit on locked memory (ulimit -l) of libvirt\'s daemon.'],
  [/the PF is not online/i, 'pf-down', 'The network port of the virtual function is down on the host.'],
  [/is in use by driver|vfio\/\d+: Device or resource busy/i, 'device-busy', 'Something else on the host has the device open.'],
  [/vfio\/(\d+|vfio): Permission denied/i, 'vfio-forbidden', 'QEMU may not open the device. Look at cgroup_device_acl in /etc/libvirt/qemu.conf, and at AppArmor or SELinux on the host.'],
  [/could not access \/sys\/bus\/pci\/devices\//i, 'device-gone', 'The device is no longer where it was: the host\'s bus has changed.'],
  [/must be manually detached from the host/i, 'device-not-bound', 'The device is not bound to vfio-pci.'],
];

/** Before what QEMU itself says on a line of its own. */
const STAMP = /^\d{4}-\d\d-\d\dT\S+ qemu\S*: /;

/**
 * @param words what libvirt said, with the warnings that QEMU wrote before it ended
 * @returns code and sentence, with the line of those words that says so; null when they are about something else
 */
export function explainVfio(words: string): VfioRefusal | null {
  const found = ROWS.find(([pattern]) => pattern.test(words));
  if (found === undefined) return null;
  const [pattern, code, sentence] = found;
  const line = words.split('\n').find((each) => pattern.test(each)) ?? words;
  return { code, message: `${sentence} libvirt said: ${line.replace(STAMP, '').trim()}` };
}
