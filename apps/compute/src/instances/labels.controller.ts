import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { deleteServerMetadata, deleteServerTag, setServerMetadata, setServerTags, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { InstanceMetadata } from './instance-metadata.js';
import { InstanceTags } from './instance-tags.js';

@Controller()
export class LabelsController {
  constructor(private readonly metadata: InstanceMetadata, private readonly tags: InstanceTags) {}

  @Handles(setServerMetadata)
  setMetadata(@Payload() input: ReceivedBy<typeof setServerMetadata>): Promise<OutputOf<typeof setServerMetadata>> { return this.metadata.set(input); }

  @Handles(deleteServerMetadata)
  deleteMetadata(@Payload() input: ReceivedBy<typeof deleteServerMetadata>): Promise<Record<string, never>> { return this.metadata.delete(input); }

  @Handles(setServerTags)
  setTags(@Payload() input: ReceivedBy<typeof setServerTags>): Promise<OutputOf<typeof setServerTags>> { return this.tags.set(input); }

  @Handles(deleteServerTag)
  deleteTag(@Payload() input: ReceivedBy<typeof deleteServerTag>): Promise<Record<string, never>> { return this.tags.delete(input); }
}
