import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  createServers, deleteServer, getConsoleLog, getServer, getUsage, inspectServer, listServers, rebootServer, startServer, stopServer, updateServer,
  type InstanceView, type OutputOf, type ReceivedBy,
} from '#libs/contracts';
import { Handles, type BusContext } from '#libs/messaging';
import { CreateInstance } from './create-instance.js';
import { DeleteInstance } from './delete-instance.js';
import { RebootInstance } from './reboot-instance.js';
import { ServersReader } from './reads/servers-reader.js';
import { StartInstance } from './start-instance.js';
import { StopInstance } from './stop-instance.js';
import { UpdateInstance } from './update-instance.js';

type Nothing = Record<string, never>;

@Controller()
export class InstancesController {
  constructor(
    private readonly creator: CreateInstance, private readonly deleter: DeleteInstance, private readonly starter: StartInstance,
    private readonly stopper: StopInstance, private readonly rebooter: RebootInstance, private readonly updater: UpdateInstance,
    private readonly reader: ServersReader,
  ) {}

  @Handles(createServers)
  create(@Payload() input: ReceivedBy<typeof createServers>, @Ctx() context: BusContext): Promise<OutputOf<typeof createServers>> { return this.creator.create(input, context.signal); }

  @Handles(listServers)
  list(@Payload() input: ReceivedBy<typeof listServers>, @Ctx() context: BusContext): Promise<OutputOf<typeof listServers>> { return this.reader.list(input, context.unbounded); }

  @Handles(getServer)
  get(@Payload() input: ReceivedBy<typeof getServer>): Promise<InstanceView> { return this.reader.get(input); }

  @Handles(deleteServer)
  delete(@Payload() input: ReceivedBy<typeof deleteServer>): Promise<Nothing> { return this.deleter.delete(input); }

  @Handles(updateServer)
  update(@Payload() input: ReceivedBy<typeof updateServer>): Promise<InstanceView> { return this.updater.update(input); }

  @Handles(startServer)
  start(@Payload() input: ReceivedBy<typeof startServer>): Promise<Nothing> { return this.starter.start(input); }

  @Handles(stopServer)
  stop(@Payload() input: ReceivedBy<typeof stopServer>): Promise<Nothing> { return this.stopper.stop(input); }

  @Handles(rebootServer)
  reboot(@Payload() input: ReceivedBy<typeof rebootServer>): Promise<Nothing> { return this.rebooter.reboot(input); }

  @Handles(getConsoleLog)
  consoleLog(@Payload() input: ReceivedBy<typeof getConsoleLog>): Promise<OutputOf<typeof getConsoleLog>> { return this.reader.consoleLog(input); }

  @Handles(inspectServer)
  inspect(@Payload() input: ReceivedBy<typeof inspectServer>): Promise<OutputOf<typeof inspectServer>> { return this.reader.inspect(input); }

  @Handles(getUsage)
  usage(@Payload() input: ReceivedBy<typeof getUsage>): Promise<OutputOf<typeof getUsage>> { return this.reader.usage(input); }
}
