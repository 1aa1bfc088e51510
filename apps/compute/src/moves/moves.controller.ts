import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { confirmResize, evacuateServer, listMigrations, migrateServer, openDiskTransfer, resizeServer, revertResize, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { ConfirmResize } from './confirm-resize.js';
import { EvacuateInstance } from './evacuate-instance.js';
import { ListMigrations } from './list-migrations.js';
import { MigrateInstance } from './migrate-instance.js';
import { OpenDiskTransfer } from './open-disk-transfer.js';
import { ResizeInstance } from './resize-instance.js';
import { RevertResize } from './revert-resize.js';

type Nothing = Record<string, never>;

@Controller()
export class MovesController {
  constructor(
    private readonly resizer: ResizeInstance, private readonly migrator: MigrateInstance, private readonly evacuator: EvacuateInstance,
    private readonly confirmer: ConfirmResize, private readonly reverter: RevertResize, private readonly lister: ListMigrations, private readonly transfers: OpenDiskTransfer,
  ) {}

  @Handles(resizeServer)
  resize(@Payload() input: ReceivedBy<typeof resizeServer>): Promise<Nothing> { return this.resizer.resize(input); }

  @Handles(migrateServer)
  async migrate(@Payload() input: ReceivedBy<typeof migrateServer>): Promise<Nothing> { return this.migrator.migrate(input); }

  @Handles(confirmResize)
  confirm(@Payload() input: ReceivedBy<typeof confirmResize>): Promise<Nothing> { return this.confirmer.confirm(input); }

  @Handles(revertResize)
  revert(@Payload() input: ReceivedBy<typeof revertResize>): Promise<Nothing> { return this.reverter.revert(input); }

  @Handles(evacuateServer)
  async evacuate(@Payload() input: ReceivedBy<typeof evacuateServer>): Promise<Nothing> { return this.evacuator.evacuate(input); }

  @Handles(listMigrations)
  list(@Payload() input: ReceivedBy<typeof listMigrations>): Promise<OutputOf<typeof listMigrations>> { return this.lister.list(input); }

  @Handles(openDiskTransfer)
  openTransfer(@Payload() input: ReceivedBy<typeof openDiskTransfer>): Promise<OutputOf<typeof openDiskTransfer>> { return this.transfers.open(input); }
}
