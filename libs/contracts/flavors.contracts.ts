import { z } from 'zod';
import { Caller } from './common.js';
import { Flavor } from './compute.contracts.js';
import { defineContract } from './contract.js';
import { DeviceClassName } from './device.contracts.js';

/** Changing flavors, and who sees those that are not public. All of it is for admins. */
const ById = z.object({ caller: Caller, flavorId: z.string().max(255) });
/** Projects that see the flavor. */
const Access = z.object({ projectIds: z.array(z.string()) });
const ForProject = ById.extend({ projectId: z.string().min(1).max(255) });

export const updateFlavor = defineContract({ subject: 'svc.compute.flavors.update', input: ById.extend({ description: z.string().max(65_535).nullable() }), output: Flavor, timeoutMs: 5_000 });
/** Adds to what is there; the same key again replaces its value. */
export const setFlavorExtraSpecs = defineContract({
  subject: 'svc.compute.flavors.set-extra-specs',
  input: ById.extend({ extraSpecs: z.record(z.string().min(1).max(255), z.string().max(255)) }),
  output: Flavor, timeoutMs: 5_000,
});
/** not-found when the key is not there. */
export const deleteFlavorExtraSpec = defineContract({ subject: 'svc.compute.flavors.delete-extra-spec', input: ById.extend({ key: z.string().max(255) }), output: z.object({}), timeoutMs: 5_000 });
/** For whoever would delete a device class: flavors that ask for it, the first twenty by name, and how many there are. */
export const flavorsOfDeviceClass = defineContract({
  subject: 'svc.compute.flavors.of-device-class', input: z.object({ className: DeviceClassName }), output: z.object({ names: z.array(z.string()).max(20), count: z.int() }), timeoutMs: 5_000,
});
/** not-found for a flavor that is public: everyone sees it. */
export const listFlavorAccess = defineContract({ subject: 'svc.compute.flavors.list-access', input: ById, output: Access, timeoutMs: 5_000 });
/** conflict when the project has it already, and for a public flavor if `privateOnly`. */
export const addFlavorAccess = defineContract({ subject: 'svc.compute.flavors.add-access', input: ForProject.extend({ privateOnly: z.boolean() }), output: Access, timeoutMs: 5_000 });
export const removeFlavorAccess = defineContract({ subject: 'svc.compute.flavors.remove-access', input: ForProject, output: Access, timeoutMs: 5_000 });
