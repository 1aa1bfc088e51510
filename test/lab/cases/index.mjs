/** The cases by name. Kept apart from what runs them, which needs the modules installed. */
export const CASES = {
  kernel: { what: 'the kernel\'s own rules for virtual functions, drivers, IOMMU groups: errno by errno', load: () => import('./kernel.mjs') },
  libvirt: { what: 'what libvirt does with devices, and what it refuses', load: () => import('./libvirt.mjs') },
  pci: { what: 'libs/pci on the kernel: the contract that its fake keeps too', load: () => import('./pci.mjs') },
  host: { what: 'our agent on the host: joins, boots a guest, is killed, goes on', load: () => import('./host.mjs') },
  devices: { what: 'devices end to end: pool by API, servers, their guests, delete, the next holder', load: () => import('./devices.mjs') },
  live: { what: 'devices that come and go while a guest runs, one that does not let go, the GPU stand-in', load: () => import('./live.mjs') },
  traps: { what: 'what the kernel and libvirt let anybody do, and Skylite refuses, explains or outlives', load: () => import('./traps.mjs') },
  'no-iommu': { what: 'a host without an IOMMU: nothing is given, and everybody hears why', load: () => import('./no-iommu.mjs') },
  'virtio-iommu': { what: 'a host whose IOMMU does not remap interrupts: likewise', load: () => import('./virtio-iommu.mjs') },
  scrubs: { what: 'the next holder of a virtual function sees nothing of the one before; a number: how many sequences', long: true, load: () => import('./scrubs.mjs') },
  injections: { what: 'random harm over creates and deletes of small guests; a number: how many', long: true, load: () => import('./injections.mjs') },
  figures: { what: 'what attach, a start and an edit of a pool cost, beside libvirt and the kernel alone; a number: how many rounds', long: true, load: () => import('./figures.mjs') },
};
/** Those that a run without words makes. */
export const USUAL = Object.keys(CASES).filter((name) => !CASES[name].long);
/** What a landing is judged by, besides the tests: some minutes. */
export const CORE = ['scrubs', '4'];
