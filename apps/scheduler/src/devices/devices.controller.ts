import { Controller, UseFilters } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  deviceHistory, getHostTopology, listDeviceClassNames, listDevices, pullDeviceWishes, releaseDevice, reportDevices, rescanDevices, type HostTopology, type OutputOf, type ReceivedBy,
} from '#libs/contracts';
import { forbidden } from '#libs/errors';
import { Handles, type BusContext } from '#libs/messaging';
import { DatabaseErrorFilter } from '../database-error.js';
import { DeviceViews } from './device-views.js';
import { HostTopologyView } from './host-topology.js';
import { PullWishes } from './pull-wishes.js';
import { ReleaseDevice } from './release-device.js';
import { ReportDevices } from './report-devices.js';
import { RescanDevices } from './rescan-devices.js';

/** What hosts say and ask of their devices, and what people look at. Which host it is stands in the subject, never in a body. */
@Controller()
@UseFilters(DatabaseErrorFilter)
export class DevicesController {
  constructor(
    private readonly reports: ReportDevices, private readonly wishes: PullWishes, private readonly views: DeviceViews,
    private readonly releases: ReleaseDevice, private readonly rescans: RescanDevices, private readonly topologies: HostTopologyView,
  ) {}

  @Handles(reportDevices)
  report(@Payload() input: ReceivedBy<typeof reportDevices>, @Ctx() context: BusContext): Promise<OutputOf<typeof reportDevices>> { return this.reports.execute(hostOf(context), input); }

  @Handles(pullDeviceWishes)
  pull(@Payload() input: ReceivedBy<typeof pullDeviceWishes>, @Ctx() context: BusContext): Promise<OutputOf<typeof pullDeviceWishes>> { return this.wishes.execute(hostOf(context), input); }

  @Handles(listDevices)
  list(@Payload() input: ReceivedBy<typeof listDevices>): Promise<OutputOf<typeof listDevices>> { return this.views.list(input); }

  @Handles(deviceHistory)
  history(@Payload() input: ReceivedBy<typeof deviceHistory>): Promise<OutputOf<typeof deviceHistory>> { return this.views.history(input); }

  @Handles(listDeviceClassNames)
  names(): Promise<OutputOf<typeof listDeviceClassNames>> { return this.views.names(); }

  @Handles(releaseDevice)
  release(@Payload() input: ReceivedBy<typeof releaseDevice>): Promise<OutputOf<typeof releaseDevice>> { return this.releases.execute(input); }

  @Handles(rescanDevices)
  rescan(@Payload() input: ReceivedBy<typeof rescanDevices>): Promise<OutputOf<typeof rescanDevices>> { return this.rescans.execute(input); }

  @Handles(getHostTopology)
  topology(@Payload() input: ReceivedBy<typeof getHostTopology>): Promise<HostTopology> { return this.topologies.execute(input); }
}

function hostOf(context: BusContext): string {
  if (context.hostId === undefined) throw forbidden('Only a host may ask this.');
  return context.hostId;
}
