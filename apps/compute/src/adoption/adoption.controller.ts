import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { adoptHosts, adoptOrphan, viewAdoption, type AdoptionView, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { AdoptHosts } from './adopt-hosts.js';

@Controller()
export class AdoptionController {
  constructor(private readonly hosts: AdoptHosts) {}

  @Handles(viewAdoption)
  view(@Payload() input: ReceivedBy<typeof viewAdoption>): Promise<AdoptionView> { return this.hosts.view(input); }

  @Handles(adoptHosts)
  adopt(@Payload() input: ReceivedBy<typeof adoptHosts>): Promise<AdoptionView> { return this.hosts.adopt(input); }

  @Handles(adoptOrphan)
  adoptOrphan(@Payload() input: ReceivedBy<typeof adoptOrphan>): Promise<Record<string, never>> { return this.hosts.adoptOrphan(input); }
}
