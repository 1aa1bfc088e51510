import { Controller, UseFilters } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { adoptClaims, disownHost, fenceHost, inspectHost, setHostPower, setHostRestart, unfenceHost, type FenceView, type HostView, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { AdoptClaims } from '../claims/adopt-claims.js';
import { DatabaseErrorFilter } from '../database-error.js';
import { PowerSwitches } from '../power/power-switches.js';
import { DisownHost } from './disown-host.js';
import { FenceHost } from './fence-host.js';
import { InspectHost } from './inspect-host.js';

type Nothing = Record<string, never>;

/** Lost hosts: fences, power, and what follows a restore. */
@Controller()
@UseFilters(DatabaseErrorFilter)
export class FencingController {
  constructor(
    private readonly fences: FenceHost, private readonly inspector: InspectHost, private readonly power: PowerSwitches,
    private readonly claims: AdoptClaims, private readonly disowner: DisownHost,
  ) {}

  @Handles(fenceHost)
  fence(@Payload() input: ReceivedBy<typeof fenceHost>): Promise<FenceView> { return this.fences.fence(input); }

  @Handles(unfenceHost)
  unfence(@Payload() input: ReceivedBy<typeof unfenceHost>): Promise<HostView> { return this.fences.unfence(input); }

  @Handles(inspectHost)
  inspect(@Payload() input: ReceivedBy<typeof inspectHost>): Promise<OutputOf<typeof inspectHost>> { return this.inspector.inspect(input); }

  @Handles(setHostRestart)
  restart(@Payload() input: ReceivedBy<typeof setHostRestart>): Promise<HostView> { return this.inspector.setRestart(input); }

  @Handles(setHostPower)
  setPower(@Payload() input: ReceivedBy<typeof setHostPower>): Promise<Nothing> { return this.power.set(input); }

  @Handles(adoptClaims)
  adopt(@Payload() input: ReceivedBy<typeof adoptClaims>): Promise<Nothing> { return this.claims.execute(input); }

  @Handles(disownHost)
  disown(@Payload() input: ReceivedBy<typeof disownHost>): Promise<Nothing> { return this.disowner.execute(input); }
}
