import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { hostFenced, hostServers, readmitHost, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { FencedHosts } from './fenced-hosts.js';

/** What the scheduler tells of fences, and what people ask of one host. */
@Controller()
export class FencedHostsController {
  constructor(private readonly hosts: FencedHosts) {}

  @Handles(hostFenced)
  fenced(@Payload() input: ReceivedBy<typeof hostFenced>): Promise<Record<string, never>> { return this.hosts.fence(input); }

  @Handles(readmitHost)
  readmit(@Payload() input: ReceivedBy<typeof readmitHost>): Promise<Record<string, never>> { return this.hosts.readmit(input); }

  @Handles(hostServers)
  servers(@Payload() input: ReceivedBy<typeof hostServers>): Promise<OutputOf<typeof hostServers>> { return this.hosts.servers(input); }
}
