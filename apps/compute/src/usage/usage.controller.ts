import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { listServerUsages, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { Usage } from './usage.js';

@Controller()
export class UsageController {
  constructor(private readonly usage: Usage) {}

  @Handles(listServerUsages)
  list(@Payload() input: ReceivedBy<typeof listServerUsages>): Promise<OutputOf<typeof listServerUsages>> { return this.usage.list(input); }
}
