/** The compute service: owns instances (intent, lifecycle, host assignment), flavors and keypairs. */
import { Module, type DynamicModule } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { BUS, type Bus } from '#libs/messaging';
import { LOGGER, type Logger } from '#libs/observability';
import { ConsoleTicketsRepository } from './consoles/console-tickets.repository.js';
import { Consoles } from './consoles/consoles.js';
import { ConsolesController } from './consoles/consoles.controller.js';
import { AdoptHosts } from './adoption/adopt-hosts.js';
import { AdoptionController } from './adoption/adoption.controller.js';
import { AdoptionRepository } from './adoption/adoption.repository.js';
import { AttachDevices } from './attachments/attach-devices.js';
import { AttachmentGate } from './attachments/attachment-gate.js';
import { AttachmentsController } from './attachments/attachments.controller.js';
import { AttachmentsRepository } from './attachments/attachments.repository.js';
import { ClaimAttachment } from './attachments/claim-attachment.js';
import { DetachDevices } from './attachments/detach-devices.js';
import { FlavorsController } from './flavors/flavors.controller.js';
import { DeviceClasses } from './flavors/device-classes.js';
import { Flavors } from './flavors/flavors.js';
import { FlavorsRepository } from './flavors/flavors.repository.js';
import { DeparturesRepository } from './hosts/departures.repository.js';
import { DeviceTroubles } from './hosts/device-troubles.js';
import { DeviceTroublesController } from './hosts/device-troubles.controller.js';
import { DeviceTroublesRepository } from './hosts/device-troubles.repository.js';
import { DriftController } from './hosts/drift/drift.controller.js';
import { DriftRepository } from './hosts/drift/drift.repository.js';
import { FencedHosts } from './hosts/fenced-hosts.js';
import { FencedHostsController } from './hosts/fenced-hosts.controller.js';
import { HostDirectory } from './hosts/host-directory.js';
import { HostFeedsRepository } from './hosts/host-feeds.repository.js';
import { HostImageUrl } from './hosts/host-image-url.js';
import { HostSessions } from './hosts/host-sessions.js';
import { HostsController } from './hosts/hosts.controller.js';
import { ObservationsRepository } from './hosts/observations.repository.js';
import { PullDesired } from './hosts/pull-desired.js';
import { ReportObserved } from './hosts/report-observed.js';
import { BootSources } from './instances/boot-sources.js';
import { CreateInstance } from './instances/create-instance.js';
import { DeleteInstance } from './instances/delete-instance.js';
import { InstanceMetadata } from './instances/instance-metadata.js';
import { InstanceTags } from './instances/instance-tags.js';
import { LabelsController } from './instances/labels.controller.js';
import { LockInstance } from './instances/lock-instance.js';
import { OperationsController } from './instances/operations.controller.js';
import { PauseInstance } from './instances/pause-instance.js';
import { RebuildInstance } from './instances/rebuild-instance.js';
import { ResetInstanceState } from './instances/reset-instance-state.js';
import { SuspendInstance } from './instances/suspend-instance.js';
import { InstancesController } from './instances/instances.controller.js';
import { InstancesRepository } from './instances/instances.repository.js';
import { Intents } from './instances/intents.js';
import { ServersListRepository } from './instances/reads/servers-list.repository.js';
import { ServersReader } from './instances/reads/servers-reader.js';
import { RebootInstance } from './instances/reboot-instance.js';
import { StartInstance } from './instances/start-instance.js';
import { StopInstance } from './instances/stop-instance.js';
import { UpdateInstance } from './instances/update-instance.js';
import { Keypairs } from './keypairs/keypairs.js';
import { KeypairsController } from './keypairs/keypairs.controller.js';
import { KeypairsRepository } from './keypairs/keypairs.repository.js';
import { InstanceReconciler } from './lifecycle/instance.reconciler.js';
import { LifecycleRepository } from './lifecycle/lifecycle.repository.js';
import { LoopBell } from './lifecycle/loop-bell.js';
import { AutoConfirm } from './moves/auto-confirm.js';
import { BeginMove } from './moves/begin-move.js';
import { ConfirmResize } from './moves/confirm-resize.js';
import { EvacuateInstance } from './moves/evacuate-instance.js';
import { ListMigrations } from './moves/list-migrations.js';
import { MigrateInstance } from './moves/migrate-instance.js';
import { MigrationsListRepository } from './moves/migrations-list.repository.js';
import { MigrationsRepository } from './moves/migrations.repository.js';
import { DEFAULT_MOVE_POLICY, MOVE_POLICY, type MovePolicy } from './moves/move-policy.js';
import { MovesController } from './moves/moves.controller.js';
import { OpenDiskTransfer } from './moves/open-disk-transfer.js';
import { OtherObservationsRepository } from './moves/other-observations.repository.js';
import { ResizeInstance } from './moves/resize-instance.js';
import { RevertResize } from './moves/revert-resize.js';
import { TurnMove } from './moves/turn-move.js';
import { PlacementController } from './placement/placement.controller.js';
import { PlacementQuestions } from './placement/placement-questions.js';
import { ProjectLimitsCopy } from './quota/project-limits.js';
import { ServerGroups } from './server-groups/server-groups.js';
import { ServerGroupsController } from './server-groups/server-groups.controller.js';
import { ServerGroupsRepository } from './server-groups/server-groups.repository.js';
import { TEMPO, tempoOf, type Tempo } from './tempo.js';
import { Usage } from './usage/usage.js';
import { UsageController } from './usage/usage.controller.js';
import { UsageRepository } from './usage/usage.repository.js';
import { LIMITS } from './limits.js';
import { EventsKeeper } from './timeline/events-keeper.js';
import { EVENTS_KEEP_DAYS } from './timeline/keep-days.js';
import { TimelineController } from './timeline/timeline.controller.js';
import { Timeline } from './timeline/timeline.js';
import { TimelineRepository } from './timeline/timeline.repository.js';

export { seedCompute } from './seed-compute.repository.js';

/** What the process has made: shared by all of the app's modules. */
export interface ComputeDeps { bus: Bus; db: Database; logger: Logger; config?: Partial<Tempo>; /** Days for which timelines are kept. */ eventsKeepDays?: number; moves?: Partial<MovePolicy> }

@Module({})
export class ComputeModule {
  /** A Nest microservice's module: serve it with createBusApplication(ComputeModule.register(deps), bus, 'compute'). */
  static register(deps: ComputeDeps): DynamicModule {
    return {
      module: ComputeModule,
      controllers: [InstancesController, OperationsController, LabelsController, MovesController, AttachmentsController, FlavorsController, KeypairsController, ServerGroupsController, UsageController, HostsController, FencedHostsController, DeviceTroublesController, DriftController, AdoptionController, TimelineController, ConsolesController, PlacementController],
      providers: [
        { provide: BUS, useValue: deps.bus }, { provide: DATABASE, useValue: deps.db }, { provide: LOGGER, useValue: deps.logger },
        { provide: TEMPO, useValue: tempoOf(deps.config) },
        InstancesRepository, ServersListRepository, LifecycleRepository, HostFeedsRepository, ObservationsRepository, FlavorsRepository, KeypairsRepository,
        HostDirectory, HostSessions, ProjectLimitsCopy, LoopBell, InstanceReconciler,
        CreateInstance, DeleteInstance, StartInstance, StopInstance, RebootInstance, UpdateInstance, Intents,
        { provide: MOVE_POLICY, useValue: { ...DEFAULT_MOVE_POLICY, ...deps.moves } }, MigrationsRepository, MigrationsListRepository, OtherObservationsRepository,
        BeginMove, TurnMove, ResizeInstance, MigrateInstance, EvacuateInstance, ConfirmResize, AutoConfirm, RevertResize, ListMigrations, OpenDiskTransfer,
        AttachmentsRepository, AttachmentGate, ClaimAttachment, AttachDevices, DetachDevices,
        BootSources, PauseInstance, SuspendInstance, LockInstance, RebuildInstance, ResetInstanceState, InstanceMetadata, InstanceTags, ServersReader,
        { provide: EVENTS_KEEP_DAYS, useValue: deps.eventsKeepDays ?? LIMITS.eventsKeepDays }, TimelineRepository, Timeline, EventsKeeper,
        PullDesired, ReportObserved, DriftRepository, DeparturesRepository, FencedHosts, AdoptionRepository, AdoptHosts, HostImageUrl, DeviceTroublesRepository, DeviceTroubles, DeviceClasses, Flavors, Keypairs, ConsoleTicketsRepository, Consoles,
        ServerGroups, ServerGroupsRepository, Usage, UsageRepository, PlacementQuestions,
      ],
    };
  }
}
