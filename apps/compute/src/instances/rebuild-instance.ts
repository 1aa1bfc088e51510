import { Injectable } from '@nestjs/common';
import type { Caller, InstanceView, rebuildServer, ReceivedBy } from '#libs/contracts';
import { badRequest, conflict, notFound } from '#libs/errors';
import { whyNotRebuilt } from '#libs/openstack';
import { ProjectLimitsCopy } from '../quota/project-limits.js';
import { BootSources, checkUserData, imageSpec } from './boot-sources.js';
import { visible } from './caller-project.js';
import { claimedDiskGib } from './decide/fits.js';
import { demandMetadata } from './demand-metadata.js';
import { layoutShown } from './decide/layout-shown.js';
import { numberAfter } from './decide/number-after.js';
import { Intents } from './intents.js';
import { viewOf, type InstanceRow, type InstanceSpec } from './instance-row.js';
import { InstancesRepository } from './instances.repository.js';
import { needsOf } from './needs-of.js';

type Request = ReceivedBy<typeof rebuildServer>;

/**
 * Wants the root disk made anew, of the same or another image: id, host, claim and address stay. A stopped server is stopped
 * afterwards; any other runs. What never ran is simply built of the new image.
 */
@Injectable()
export class RebuildInstance {
  constructor(private readonly instances: InstancesRepository, private readonly sources: BootSources, private readonly limits: ProjectLimitsCopy, private readonly intents: Intents) {}

  async rebuild(request: Request): Promise<InstanceView> {
    const { caller, instanceId } = request;
    checkUserData(request.userData ?? null);
    const before = visible(await this.instances.find(instanceId), caller, instanceId);
    await this.#checkMetadata(request, before.project_id);
    const spec = await this.#spec(request, before);
    // What is claimed of the host's disk was claimed when it was made.
    if (before.host_id !== null && spec.claimDiskGib > before.spec.claimDiskGib) {
      throw badRequest(`Image ${request.imageId} needs a disk of ${spec.claimDiskGib} GiB; this server has ${before.spec.claimDiskGib}. Resize it first.`);
    }
    const row = await this.intents.change(caller, instanceId, 'rebuild', (current) => {
      // Also in ERROR while a resize waits to be confirmed: what the other host keeps is of the generations before.
      if (current.move_id !== null) throw conflict(`Cannot 'rebuild' instance ${instanceId} while it is being moved; start it, then confirm or revert the move.`);
      const needs = needsOf({ ...spec, flavor: current.spec.flavor });
      const misfit = current.host_id === null ? undefined : whyNotRebuilt(needsOf(current.spec), needs);
      if (misfit !== undefined) throw badRequest(misfit);
      return {
        intent: current.intent === 'stopped' ? 'stopped' : 'running',
        set: {
          // Flavor and claim are the row's own: a resize may have come between.
          spec: {
            ...current.spec, image: spec.image, publicKey: spec.publicKey, powerOffTimeoutS: spec.powerOffTimeoutS, imageProperties: spec.imageProperties,
            // Nothing is claimed yet: what will be is for this image.
            ...(current.host_id === null && { claimDiskGib: claimedDiskGib(spec.image, current.spec.flavor) }),
          },
          // Without a host the claim says what it is to see.
          ...(current.host_id !== null && { layout: layoutShown(current.layout, needs, current.vcpus) }),
          image_id: request.imageId, disk_generation: numberAfter(current.disk_generation, this.instances.incarnation), spec_generation: numberAfter(current.spec_generation, this.instances.incarnation), rebuilding: current.launched_at !== null,
          ...(request.name !== undefined && { name: request.name }), ...(request.description !== undefined && { description: request.description }),
          ...(request.metadata !== undefined && { metadata: request.metadata }), ...(request.hostname !== undefined && { hostname: request.hostname }),
          ...(request.keyName !== undefined && { key_name: request.keyName }), ...(request.userData !== undefined && { user_data: request.userData }),
        },
      };
    }, { kind: 'rebuild', message: `of image ${request.imageId}` });
    return viewOf(row);
  }

  async #spec({ caller, imageId, keyName }: Request, before: InstanceRow): Promise<InstanceSpec> {
    const [image, publicKey] = await Promise.all([
      this.sources.image(caller, imageId),
      keyName === undefined ? before.spec.publicKey : this.#publicKey(caller, before, keyName),
    ]);
    return { ...before.spec, ...imageSpec(image, before.spec.flavor), publicKey };
  }

  /** Nova looks for the key among those of the server's user. */
  async #publicKey(caller: Caller, before: InstanceRow, keyName: string | null): Promise<string | null> {
    return this.sources.publicKey(before.user_id, keyName).catch((error: unknown) => {
      throw caller.userId === before.user_id ? error : notFound(`Keypair ${keyName ?? ''} not found for user ${before.user_id}`);
    });
  }

  async #checkMetadata({ metadata }: Request, projectId: string): Promise<void> {
    if (metadata === undefined) return;
    demandMetadata(metadata, await this.limits.of(projectId));
  }
}
