/**
 * Makes one-time tokens that each let one machine become a host. They are shown once; only hashes are kept.
 */
import { Injectable } from '@nestjs/common';
import type { z } from 'zod';
import type { createEnrolToken } from '#libs/contracts';
import { badRequest, forbidden } from '#libs/errors';
import { EnrolmentRepository } from './enrolment.repository.js';
import { hashToken, newToken } from './token.js';

@Injectable()
export class CreateEnrolToken {
  constructor(private readonly enrolment: EnrolmentRepository) {}

  async execute({ caller, availabilityZone, onlyWhenAsked, simulated, ttlS, count }: z.output<typeof createEnrolToken.input>): Promise<z.output<typeof createEnrolToken.output>> {
    if (!caller.isAdmin) throw forbidden('Only an admin may enrol hosts.');
    // `zone:host` names a host in a zone, so neither half may hold a colon.
    if (!/^[^\s:][^:]*$/.test(availabilityZone)) throw badRequest("An availability zone's name is not empty, does not start with a space and has no colon.");
    const tokens = Array.from({ length: count }, newToken);
    const expiresAt = await this.enrolment.createTokens({ hashes: tokens.map(hashToken), availabilityZone, onlyWhenAsked, simulated, ttlS, createdBy: caller.userId, requestId: caller.requestId, userName: caller.userName, address: caller.address });
    return { tokens, expiresAt: expiresAt.toISOString() };
  }
}
