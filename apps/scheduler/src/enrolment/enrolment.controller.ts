import { Controller, UseFilters } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import type { z } from 'zod';
import { createEnrolToken, joinHost } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { DatabaseErrorFilter } from '../database-error.js';
import { CreateEnrolToken } from './create-enrol-token.js';
import { JoinHost } from './join-host.js';

@Controller()
@UseFilters(DatabaseErrorFilter)
export class EnrolmentController {
  constructor(private readonly createEnrolToken: CreateEnrolToken, private readonly joinHost: JoinHost) {}

  @Handles(createEnrolToken)
  createToken(@Payload() input: z.output<typeof createEnrolToken.input>): Promise<z.output<typeof createEnrolToken.output>> {
    return this.createEnrolToken.execute(input);
  }

  @Handles(joinHost)
  join(@Payload() input: z.output<typeof joinHost.input>): Promise<z.output<typeof joinHost.output>> {
    return this.joinHost.execute(input);
  }
}
