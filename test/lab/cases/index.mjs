/** The cases by name. Kept apart from what runs them, which needs the modules installed. */
export const CASES = {
  kernel: { what: 'the kernel\'s own rules for virtual functions, drivers, IOMMU groups: errno by errno', load: () => import('./kernel.mjs') },
  libvirt: { what: 'what libvirt does with devices, and what it refuses', load: () => import('./libvirt.mjs') },
  pci: { what: 'libs/pci on the kernel: the contract that its fake keeps too', load: () => import('./pci.mjs') },
  host: { what: 'our agent on the host: joins, boots a guest, is killed, goes on', load: () => import('./host.mjs') },
  devices: { what: 'devices end to end: pool by API, servers, their guests, live attach and detach, delete, the next holder', load: () => import('./devices.mjs') },
};
