import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { createFlavor, deleteFlavor, getFlavor, listFlavors, type Flavor, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { Flavors } from './flavors.js';

@Controller()
export class FlavorsController {
  constructor(private readonly flavors: Flavors) {}

  @Handles(listFlavors)
  list(@Payload() input: ReceivedBy<typeof listFlavors>): Promise<OutputOf<typeof listFlavors>> { return this.flavors.list(input); }

  @Handles(getFlavor)
  get(@Payload() input: ReceivedBy<typeof getFlavor>): Promise<Flavor> { return this.flavors.get(input); }

  @Handles(createFlavor)
  create(@Payload() input: ReceivedBy<typeof createFlavor>): Promise<Flavor> { return this.flavors.create(input); }

  @Handles(deleteFlavor)
  delete(@Payload() input: ReceivedBy<typeof deleteFlavor>): Promise<Record<string, never>> { return this.flavors.delete(input); }
}
