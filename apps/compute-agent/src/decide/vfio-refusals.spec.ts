import { describe, expect, it } from '@jest/globals';
import { FakeKernel, parsePciAddress } from '#libs/pci';
import { explainVfio } from './vfio-refusals.js';

describe('why a guest got no device', () => {
  it.each([
    ['vfio 0000:41:10.0: failed to setup container for group 14: Failed to set iommu for container: Operation not permitted', 'no-interrupt-remapping'],
    ['unsupported configuration: host doesn\'t support passthrough of host PCI devices', 'no-iommu'],
    ['internal error: process exited while connecting to monitor: vfio 0000:05:01.0: group 15 is not viable\nPlease ensure all devices within the iommu_group are bound to their vfio bus driver.', 'group-not-viable'],
    ['internal error: QEMU unexpectedly closed the monitor: vfio 0000:41:10.0: memory listener initialization failed: Region pc.ram: vfio_container_dma_map(0x1, 0x0, 0x2, 0x3) = -12 (Cannot allocate memory): VFIO_MAP_DMA failed: Cannot allocate memory', 'memory-not-pinned'],
    ['internal error: Unable to configure VF 1 of PF \'enp1s0\' because the PF is not online. Please change host network config to put the PF online.', 'pf-down'],
    ['Requested operation is not valid: PCI device 0000:01:10.0 is in use by driver QEMU, domain a', 'device-busy'],
    ['internal error: vfio 0000:01:10.0: failed to open /dev/vfio/15: Device or resource busy', 'device-busy'],
    ['Could not open \'/dev/vfio/15\': Permission denied; failed to open /dev/vfio/15: Permission denied', 'vfio-forbidden'],
    ['Device 0000:01:10.0 not found: could not access /sys/bus/pci/devices/0000:01:10.0/config: No such file or directory', 'device-gone'],
    ['unsupported configuration: Unmanaged PCI device 0000:01:10.0 must be manually detached from the host', 'device-not-bound'],
  ])('%s', (words, code) => {
    const found = explainVfio(words);
    expect(found?.code).toBe(code);
    expect(found?.message).toMatch(/^[A-Z][^]*\. libvirt said: /);
    expect(found?.message).toContain(words.split('\n')[0]);
  });

  it('without the warnings that QEMU wrote before it', () => {
    const warning = '2026-11-22T01:49:44.860481Z qemu-system-x86_64: warning: This feature depends on other features that were not requested: CPUID.8000000AH:EDX.npt [bit 0]';
    const reason = '-device {"driver":"vfio-pci","host":"0000:21:10.0"}: vfio 0000:21:10.0: failed to setup container for group 14: Failed to set iommu for container: Operation not permitted';
    const found = explainVfio(`internal error: QEMU unexpectedly closed the monitor (vm='instance-1'): ${warning}\n${warning}\n2026-11-22T01:49:44.990746Z qemu-system-x86_64: ${reason}`);
    expect(found?.message.endsWith(`firmware (and take intremap=off from the kernel command line). libvirt said: ${reason}`)).toBe(true);
  });

  it('says nothing of what is not about devices', () => {
    expect(explainVfio('internal error: qemu unexpectedly closed the monitor: Cannot set up guest memory: Cannot allocate memory')).toBeNull();
    expect(explainVfio('Domain not found')).toBeNull();
  });

  it('knows the fake kernel\'s words', () => {
    const [kernel, card] = [new FakeKernel(), parsePciAddress('0000:01:00.0')];
    expect(explainVfio(kernel.refusalOfUse(parsePciAddress('0000:77:00.0'), 'a') ?? '')?.code).toBe('device-gone');
    expect(explainVfio(kernel.refusalOfUse(card, 'a', { managed: false }) ?? '')?.code).toBe('device-not-bound');
  });
});
