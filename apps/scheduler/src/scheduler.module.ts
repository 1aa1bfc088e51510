import { Module, type DynamicModule } from '@nestjs/common';
import { DATABASE } from '#libs/db';
import { BUS } from '#libs/messaging';
import { LOGGER } from '#libs/observability';
import { AggregatesController } from './aggregates/aggregates.controller.js';
import { AggregatesRepository } from './aggregates/aggregates.repository.js';
import { Aggregates } from './aggregates/aggregates.js';
import { AttachedDevices } from './claims/attached-devices.js';
import { AttachedDevicesRepository } from './claims/attached-devices.repository.js';
import { ClaimHost } from './claims/claim-host.js';
import { ClaimsController } from './claims/claims.controller.js';
import { ClaimsRepository } from './claims/claims.repository.js';
import { Peers } from './claims/peers.js';
import { ReleaseClaim } from './claims/release-claim.js';
import { AdoptClaims } from './claims/adopt-claims.js';
import { SettleMove } from './claims/settle-move.js';
import { CONFIG, SIGNER, type SchedulerDeps } from './deps.js';
import { CreateEnrolToken } from './enrolment/create-enrol-token.js';
import { DefinitionsRepository } from './devices/definitions.repository.js';
import { DeviceBell } from './devices/device-bell.js';
import { DeviceDefinitionsController } from './devices/device-definitions.controller.js';
import { DeviceDefinitions } from './devices/device-definitions.js';
import { DeviceKeeper } from './devices/device-keeper.js';
import { DevicePlacer } from './devices/device-placer.reconciler.js';
import { DeviceTrouble } from './devices/device-trouble.js';
import { DeviceViews } from './devices/device-views.js';
import { DeviceViewsRepository } from './devices/device-views.repository.js';
import { DevicesController } from './devices/devices.controller.js';
import { DevicesRepository } from './devices/devices.repository.js';
import { HostTopologyView } from './devices/host-topology.js';
import { PullWishes } from './devices/pull-wishes.js';
import { ReleaseDevice } from './devices/release-device.js';
import { ReportDevices } from './devices/report-devices.js';
import { RescanDevices } from './devices/rescan-devices.js';
import { EnrolmentController } from './enrolment/enrolment.controller.js';
import { EnrolmentRepository } from './enrolment/enrolment.repository.js';
import { JoinHost } from './enrolment/join-host.js';
import { DisownHost } from './hosts/disown-host.js';
import { FenceHost } from './hosts/fence-host.js';
import { FenceReconciler } from './hosts/fence.reconciler.js';
import { FencesRepository } from './hosts/fences.repository.js';
import { FencingController } from './hosts/fencing.controller.js';
import { HostEventsRepository } from './hosts/host-events.repository.js';
import { HostsController } from './hosts/hosts.controller.js';
import { HostsRepository } from './hosts/hosts.repository.js';
import { InspectHost } from './hosts/inspect-host.js';
import { ListHosts } from './hosts/list-hosts.js';
import { ReportInventory } from './hosts/report-inventory.js';
import { UpdateHost } from './hosts/update-host.js';
import { PowerRepository } from './power/power.repository.js';
import { PowerSwitches } from './power/power-switches.js';
import { BuildOutcomes } from './snapshot/build-outcomes.js';
import { Echo } from './snapshot/echo.js';
import { Liveness } from './snapshot/liveness.js';
import { Snapshot } from './snapshot/snapshot.js';
import { SnapshotRepository } from './snapshot/snapshot.repository.js';
import { Sweeper } from './sweeper.js';
import { PlacementQuestions } from './views/placement-questions.js';
import { PlacementViewsController } from './views/placement-views.controller.js';
import { PlacementViewsRepository } from './views/placement-views.repository.js';

export type { SchedulerConfig, SchedulerDeps } from './deps.js';

/** The scheduler as a microservice over the bus: hosts, their enrolment, and every claim on them. Serve it with group `scheduler`. */
@Module({})
export class SchedulerModule {
  static register(deps: SchedulerDeps): DynamicModule {
    return {
      module: SchedulerModule,
      controllers: [ClaimsController, HostsController, FencingController, EnrolmentController, AggregatesController, PlacementViewsController, DevicesController, DeviceDefinitionsController],
      providers: [
        { provide: BUS, useValue: deps.bus },
        { provide: DATABASE, useValue: deps.db },
        { provide: LOGGER, useValue: deps.logger },
        { provide: CONFIG, useValue: deps.config },
        { provide: SIGNER, useValue: deps.signer },
        ClaimsRepository, Peers, ClaimHost, ReleaseClaim, SettleMove, AttachedDevicesRepository, AttachedDevices,
        HostsRepository, HostEventsRepository, ListHosts, ReportInventory, UpdateHost,
        EnrolmentRepository, CreateEnrolToken, JoinHost,
        SnapshotRepository, Snapshot, Liveness, Echo, BuildOutcomes, Sweeper,
        AggregatesRepository, Aggregates, PlacementViewsRepository, PlacementQuestions,
        DevicesRepository, DefinitionsRepository, DeviceViewsRepository, DeviceDefinitions, DevicePlacer, DeviceBell, DeviceTrouble, DeviceViews, DeviceKeeper,
        ReportDevices, PullWishes, ReleaseDevice, RescanDevices, HostTopologyView,
        FencesRepository, FenceReconciler, FenceHost, InspectHost, DisownHost, AdoptClaims, PowerRepository, PowerSwitches,
      ],
    };
  }
}
