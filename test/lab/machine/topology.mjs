/**
 * What the emulated host is made of. Two NUMA cells with a CPU each; an Intel IOMMU; two 82576 ports (igb, seven virtual functions
 * each), one on each cell, both on one wire; a display alone in its IOMMU group that stands in for a GPU; and two groups that are
 * shared: two cards behind a bridge, and two functions below a port that does not isolate.
 * Addresses come out the same at every start, so tests may name them (ADDRESSES).
 */
export const ADDRESSES = {
  ports: ['0000:21:00.0', '0000:41:00.0'],
  /** NUMA cells of the ports, in that order. All else is on none, as on many small machines. */
  cells: [0, 1],
  /** The first port's virtual functions, by their index: not by their function number. */
  firstVfs: ['0000:21:10.0', '0000:21:10.2', '0000:21:10.4', '0000:21:10.6', '0000:21:11.0', '0000:21:11.2', '0000:21:11.4'],
  portMacs: ['52:54:00:aa:00:01', '52:54:00:aa:00:02'],
  portNames: ['enp33s0', 'enp65s0'],
  gpu: '0000:01:00.0',
  /** Two devices in one group, behind a bridge. */
  bridged: ['0000:03:01.0', '0000:03:02.0'],
  /** Two functions in one group with the port above them. */
  functions: ['0000:04:00.0', '0000:04:00.1'],
  functionsPort: '0000:00:07.0',
  disk: '0000:00:1c.0',
  door: '0000:00:1d.0',
};
export const VIRTUAL_FUNCTION = { vendor: '8086', device: '10ca' };
export const MEMORY_MIB = 2560;
const CPUS = 2;

/** What stands between devices and memory: words for QEMU, and for the kernel. `virtio` remaps no interrupts, so that VFIO refuses. */
const IOMMUS = {
  intel: { machine: ['-device', 'intel-iommu,intremap=on,aw-bits=48'], kernel: ' intel_iommu=on' },
  virtio: { machine: ['-device', 'virtio-iommu-pci,bus=pcie.0,addr=0x1b'], kernel: '' },
  none: { machine: [], kernel: '' },
};

/** Words for QEMU: the machine itself, without what differs from start to start. @param {keyof typeof IOMMUS} [iommu] */
export function machineWords(iommu = 'intel') {
  const half = `${MEMORY_MIB / 2}M`;
  const port = (name, chassis, bus, rest = '') => ['-device', `pcie-root-port,id=${name},chassis=${chassis},slot=${chassis},bus=${bus}${rest}`];
  const nic = (name, bus, mac) => ['-netdev', `hubport,id=wire-${name},hubid=1`, '-device', `igb,id=${name},netdev=wire-${name},bus=${bus},mac=${mac}`];
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-machine', 'q35,smm=off,kernel-irqchip=split', '-accel', 'tcg,thread=multi,tb-size=384'],
    ...['-cpu', 'EPYC,+svm,+npt,+x2apic,check=off', '-smp', `${CPUS}`, '-m', `${MEMORY_MIB}`, '-uuid', '1ab1ab1a-0000-4000-8000-000000000001'],
    ...IOMMUS[iommu].machine,
    ...['-object', `memory-backend-ram,id=ram0,size=${half}`, '-object', `memory-backend-ram,id=ram1,size=${half}`],
    ...['-numa', 'node,nodeid=0,memdev=ram0,cpus=0', '-numa', 'node,nodeid=1,memdev=ram1,cpus=1'],
    ...['-device', 'pxb-pcie,id=near,bus_nr=32,numa_node=0,bus=pcie.0,addr=0x11'],
    ...['-device', 'pxb-pcie,id=far,bus_nr=64,numa_node=1,bus=pcie.0,addr=0x10'],
    ...port('slot1', 1, 'near'), ...port('slot2', 2, 'far'),
    ...port('slot4', 4, 'pcie.0', ',addr=0x5.0'), ...port('slot5', 5, 'pcie.0', ',addr=0x6.0'), ...port('slot6', 6, 'pcie.0', ',addr=0x7.0,disable-acs=on'),
    ...nic('port0', 'slot1', ADDRESSES.portMacs[0]), ...nic('port1', 'slot2', ADDRESSES.portMacs[1]),
    ...['-device', 'bochs-display,id=gpu,bus=slot4,addr=0'],
    ...['-device', 'pcie-pci-bridge,id=bridge,bus=slot5', '-device', 'edu,bus=bridge,addr=1', '-netdev', 'hubport,id=dark,hubid=2', '-device', 'e1000,bus=bridge,addr=2,netdev=dark,romfile='],
    ...['-device', 'pci-testdev,bus=slot6,addr=0.0,multifunction=on', '-device', 'edu,bus=slot6,addr=0.1'],
    ...['-device', 'virtio-rng-pci,bus=pcie.0,addr=0x1a'],
  ];
}

// A tick of its own on each CPU: where QEMU (before 10.2) loses an interrupt between two of its threads, the next tick finds it.
const COMMAND_LINE = 'console=ttyS0 quiet loglevel=4 mitigations=off nokaslr nowatchdog audit=0 apparmor=0 lsm= random.trust_cpu=on rcupdate.rcu_expedited=1 nohz=off highres=off no_timer_check tsc=reliable clocksource=tsc net.ifnames=1 panic=-1 fw_devlink=off cryptomgr.notests';
export const kernelCommandLine = (iommu = 'intel') => `${COMMAND_LINE}${IOMMUS[iommu].kernel}`;

const DOOR_MAC = '52:54:00:00:00:01';
/** Inside, what is reached outside stands at this address; the lab's own loopback forwards to it. */
export const OUTSIDE = '10.0.2.100';

/** Words for QEMU: what a snapshot has to find again, by names that differ from start to start. `forwards`: commands by port. */
export function attachedWords({ disk, doorPort, console, monitor, resets, forwards }) {
  const outward = Object.entries(forwards).map(([port, command]) => `,guestfwd=tcp:${OUTSIDE}:${port}-cmd:${command}`).join('');
  return [
    ...['-drive', `if=none,id=disk,file=${disk},format=qcow2,cache=unsafe,aio=threads`, '-device', 'virtio-blk-pci,drive=disk,bus=pcie.0,addr=0x1c'],
    ...['-netdev', `user,id=door,restrict=on,hostfwd=tcp:127.0.0.1:${doorPort}-:7000${outward}`, '-device', `virtio-net-pci,netdev=door,bus=pcie.0,addr=0x1d,romfile=,mac=${DOOR_MAC}`],
    // Where its CPUs stood when one was reset, as by a triple fault.
    ...['-d', 'cpu_reset', '-D', resets],
    ...['-serial', `file:${console}`, '-qmp', `unix:${monitor},server=on,wait=off`],
  ];
}

/** Done once, before the snapshot: what libvirt finds out at first use, both ports up, no names still changing, our Node in memory. */
export const WARM = `
virsh -c qemu:///system capabilities >/dev/null
virsh -c qemu:///system domcapabilities --virttype kvm --machine q35 >/dev/null
for port in ${ADDRESSES.portNames.join(' ')}; do ip link set $port up; done
udevadm settle
sync; echo 3 >/proc/sys/vm/drop_caches
/usr/lib/skylite/node -e 0
`;
