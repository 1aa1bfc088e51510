import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import {
  forceDeleteServer, lockServer, pauseServer, rebuildServer, resetServerState, resumeServer, suspendServer, unlockServer, unpauseServer, type InstanceView, type ReceivedBy,
} from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { DeleteInstance } from './delete-instance.js';
import { LockInstance } from './lock-instance.js';
import { PauseInstance } from './pause-instance.js';
import { RebuildInstance } from './rebuild-instance.js';
import { ResetInstanceState } from './reset-instance-state.js';
import { SuspendInstance } from './suspend-instance.js';

type Nothing = Record<string, never>;

@Controller()
export class OperationsController {
  constructor(
    private readonly pauser: PauseInstance, private readonly suspender: SuspendInstance, private readonly locker: LockInstance,
    private readonly rebuilder: RebuildInstance, private readonly resetter: ResetInstanceState, private readonly deleter: DeleteInstance,
  ) {}

  @Handles(pauseServer)
  pause(@Payload() input: ReceivedBy<typeof pauseServer>): Promise<Nothing> { return this.pauser.pause(input); }

  @Handles(unpauseServer)
  unpause(@Payload() input: ReceivedBy<typeof unpauseServer>): Promise<Nothing> { return this.pauser.unpause(input); }

  @Handles(suspendServer)
  suspend(@Payload() input: ReceivedBy<typeof suspendServer>): Promise<Nothing> { return this.suspender.suspend(input); }

  @Handles(resumeServer)
  resume(@Payload() input: ReceivedBy<typeof resumeServer>): Promise<Nothing> { return this.suspender.resume(input); }

  @Handles(lockServer)
  lock(@Payload() input: ReceivedBy<typeof lockServer>): Promise<Nothing> { return this.locker.lock(input); }

  @Handles(unlockServer)
  unlock(@Payload() input: ReceivedBy<typeof unlockServer>): Promise<Nothing> { return this.locker.unlock(input); }

  @Handles(rebuildServer)
  rebuild(@Payload() input: ReceivedBy<typeof rebuildServer>): Promise<InstanceView> { return this.rebuilder.rebuild(input); }

  @Handles(resetServerState)
  reset(@Payload() input: ReceivedBy<typeof resetServerState>): Promise<Nothing> { return this.resetter.reset(input); }

  @Handles(forceDeleteServer)
  forceDelete(@Payload() input: ReceivedBy<typeof forceDeleteServer>): Promise<Nothing> { return this.deleter.forceDelete(input); }
}
