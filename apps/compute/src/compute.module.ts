/** The compute service: owns instances (intent, lifecycle, host assignment), flavors and keypairs. */
import { Module, type DynamicModule } from '@nestjs/common';
import { DATABASE, type Database } from '#libs/db';
import { BUS, type Bus } from '#libs/messaging';
import { LOGGER, type Logger } from '#libs/observability';
import { FlavorsController } from './flavors/flavors.controller.js';
import { Flavors } from './flavors/flavors.js';
import { FlavorsRepository } from './flavors/flavors.repository.js';
import { HostDirectory } from './hosts/host-directory.js';
import { HostFeedsRepository } from './hosts/host-feeds.repository.js';
import { HostImageUrl } from './hosts/host-image-url.js';
import { HostSessions } from './hosts/host-sessions.js';
import { HostsController } from './hosts/hosts.controller.js';
import { ObservationsRepository } from './hosts/observations.repository.js';
import { PullDesired } from './hosts/pull-desired.js';
import { ReportObserved } from './hosts/report-observed.js';
import { CreateInstance } from './instances/create-instance.js';
import { DeleteInstance } from './instances/delete-instance.js';
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
import { ProjectLimitsCopy } from './quota/project-limits.js';
import { TEMPO, tempoOf, type Tempo } from './tempo.js';

export { seedCompute } from './seed-compute.repository.js';

/** What the process has made: shared by all of the app's modules. */
export interface ComputeDeps { bus: Bus; db: Database; logger: Logger; config?: Partial<Tempo> }

@Module({})
export class ComputeModule {
  /** A Nest microservice's module: serve it with createBusApplication(ComputeModule.register(deps), bus, 'compute'). */
  static register(deps: ComputeDeps): DynamicModule {
    return {
      module: ComputeModule,
      controllers: [InstancesController, FlavorsController, KeypairsController, HostsController],
      providers: [
        { provide: BUS, useValue: deps.bus }, { provide: DATABASE, useValue: deps.db }, { provide: LOGGER, useValue: deps.logger },
        { provide: TEMPO, useValue: tempoOf(deps.config) },
        InstancesRepository, ServersListRepository, LifecycleRepository, HostFeedsRepository, ObservationsRepository, FlavorsRepository, KeypairsRepository,
        HostDirectory, HostSessions, ProjectLimitsCopy, LoopBell, InstanceReconciler,
        CreateInstance, DeleteInstance, StartInstance, StopInstance, RebootInstance, UpdateInstance, Intents, ServersReader,
        PullDesired, ReportObserved, HostImageUrl, Flavors, Keypairs,
      ],
    };
  }
}
