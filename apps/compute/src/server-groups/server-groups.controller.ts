import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { createServerGroup, deleteServerGroup, getServerGroup, listServerGroups, type OutputOf, type ReceivedBy, type ServerGroup } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { ServerGroups } from './server-groups.js';

@Controller()
export class ServerGroupsController {
  constructor(private readonly groups: ServerGroups) {}

  @Handles(createServerGroup)
  create(@Payload() input: ReceivedBy<typeof createServerGroup>): Promise<ServerGroup> { return this.groups.create(input); }

  @Handles(listServerGroups)
  list(@Payload() input: ReceivedBy<typeof listServerGroups>): Promise<OutputOf<typeof listServerGroups>> { return this.groups.list(input); }

  @Handles(getServerGroup)
  get(@Payload() input: ReceivedBy<typeof getServerGroup>): Promise<ServerGroup> { return this.groups.get(input); }

  @Handles(deleteServerGroup)
  delete(@Payload() input: ReceivedBy<typeof deleteServerGroup>): Promise<Record<string, never>> { return this.groups.delete(input); }
}
