import { Controller, UseFilters } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type { z } from 'zod';
import { claimDevices, claimHost, releaseClaim, releaseDevices, settleMove, type ClaimRequest, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles, type BusContext } from '#libs/messaging';
import { DatabaseErrorFilter } from '../database-error.js';
import { AttachedDevices } from './attached-devices.js';
import { ClaimHost } from './claim-host.js';
import { ReleaseClaim } from './release-claim.js';
import { SettleMove } from './settle-move.js';

@Controller()
@UseFilters(DatabaseErrorFilter)
export class ClaimsController {
  constructor(private readonly claimHost: ClaimHost, private readonly releaseClaim: ReleaseClaim, private readonly settleMove: SettleMove, private readonly devices: AttachedDevices) {}

  @Handles(claimHost)
  claim(@Payload() request: ClaimRequest, @Ctx() context: BusContext): Promise<z.output<typeof claimHost.output>> {
    return this.claimHost.execute(request, context.signal);
  }

  @Handles(releaseClaim)
  release(@Payload() input: z.output<typeof releaseClaim.input>, @Ctx() context: BusContext): Promise<z.output<typeof releaseClaim.output>> {
    return this.releaseClaim.execute(input, context.signal);
  }

  @Handles(settleMove)
  settle(@Payload() input: z.output<typeof settleMove.input>): Promise<z.output<typeof settleMove.output>> {
    return this.settleMove.execute(input);
  }

  @Handles(claimDevices)
  attach(@Payload() request: ReceivedBy<typeof claimDevices>): Promise<OutputOf<typeof claimDevices>> { return this.devices.claim(request); }

  @Handles(releaseDevices)
  detach(@Payload() request: ReceivedBy<typeof releaseDevices>): Promise<OutputOf<typeof releaseDevices>> { return this.devices.release(request); }
}
