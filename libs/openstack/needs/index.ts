/** What a server needs of its host, read from Nova's flavor extra specs and image properties; and why it cannot be. Pure. */
export { devicesOfFlavor } from './devices.js';
export { devicesOfAttachment, freePlaces, placeOf, withDeviceNeeds, withDevices, withoutAttachment } from './layout-devices.js';
export { needsLayout, needsOfMade, readNeeds, whyNotFlavor, whyNotRebuilt, type NeedsRead } from './read-needs.js';
export { placingProperties } from './host-demands.js';
export { cpuTopology, type CpuTopology } from './cpu-topology.js';
export type { FlavorShape, ImageProperties } from './reading.js';
