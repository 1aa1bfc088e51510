import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import {
  addFlavorAccess, createFlavor, deleteFlavor, deleteFlavorExtraSpec, flavorsOfDeviceClass, getFlavor, listFlavorAccess, listFlavors, removeFlavorAccess, setFlavorExtraSpecs, updateFlavor,
  type Flavor, type OutputOf, type ReceivedBy,
} from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { Flavors } from './flavors.js';

type Nothing = Record<string, never>;
type Access = OutputOf<typeof listFlavorAccess>;

@Controller()
export class FlavorsController {
  constructor(private readonly flavors: Flavors) {}

  @Handles(listFlavors)
  list(@Payload() input: ReceivedBy<typeof listFlavors>): Promise<OutputOf<typeof listFlavors>> { return this.flavors.list(input); }

  @Handles(getFlavor)
  get(@Payload() input: ReceivedBy<typeof getFlavor>): Promise<Flavor> { return this.flavors.get(input); }

  @Handles(createFlavor)
  create(@Payload() input: ReceivedBy<typeof createFlavor>): Promise<Flavor> { return this.flavors.create(input); }

  @Handles(updateFlavor)
  update(@Payload() input: ReceivedBy<typeof updateFlavor>): Promise<Flavor> { return this.flavors.update(input); }

  @Handles(deleteFlavor)
  delete(@Payload() input: ReceivedBy<typeof deleteFlavor>): Promise<Nothing> { return this.flavors.delete(input); }

  @Handles(setFlavorExtraSpecs)
  setExtraSpecs(@Payload() input: ReceivedBy<typeof setFlavorExtraSpecs>): Promise<Flavor> { return this.flavors.setExtraSpecs(input); }

  @Handles(deleteFlavorExtraSpec)
  deleteExtraSpec(@Payload() input: ReceivedBy<typeof deleteFlavorExtraSpec>): Promise<Nothing> { return this.flavors.deleteExtraSpec(input); }

  @Handles(listFlavorAccess)
  access(@Payload() input: ReceivedBy<typeof listFlavorAccess>): Promise<Access> { return this.flavors.access(input); }

  @Handles(addFlavorAccess)
  addAccess(@Payload() input: ReceivedBy<typeof addFlavorAccess>): Promise<Access> { return this.flavors.addAccess(input); }

  @Handles(removeFlavorAccess)
  removeAccess(@Payload() input: ReceivedBy<typeof removeFlavorAccess>): Promise<Access> { return this.flavors.removeAccess(input); }

  @Handles(flavorsOfDeviceClass)
  ofDeviceClass(@Payload() { className }: ReceivedBy<typeof flavorsOfDeviceClass>): Promise<OutputOf<typeof flavorsOfDeviceClass>> { return this.flavors.ofDeviceClass(className); }
}
