/**
 * A machine becomes a host. Owns the one transaction in which a token is used and a host's rows appear, both or neither.
 * Rights are signed after it: if the process dies in between, the host asks again with the same token and gets them.
 */
import { Inject, Injectable } from '@nestjs/common';
import type { z } from 'zod';
import { PROTOCOL, type joinHost } from '#libs/contracts';
import { DATABASE, type Database } from '#libs/db';
import { badRequest, conflict, forbidden, unsupported } from '#libs/errors';
import type { HostUserSigner } from '#libs/messaging';
import { codeOf } from '../database-error.js';
import { decideEnrolment } from '../decide/enrolment.js';
import { negotiate, noCommonProtocol } from '../decide/protocol.js';
import { CONFIG, DEFAULT_RATIOS, SIGNER, type SchedulerConfig } from '../deps.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { EnrolmentRepository } from './enrolment.repository.js';
import { hashToken } from './token.js';

type Join = z.output<typeof joinHost.input>;

const REFUSALS = { forbidden, conflict, 'bad-request': badRequest };
const UNIQUE_VIOLATION = '23505';

@Injectable()
export class JoinHost {
  constructor(
    private readonly enrolment: EnrolmentRepository, private readonly snapshot: Snapshot,
    @Inject(DATABASE) private readonly db: Database, @Inject(CONFIG) private readonly config: SchedulerConfig, @Inject(SIGNER) private readonly signer: HostUserSigner,
  ) {}

  async execute(join: Join): Promise<z.output<typeof joinHost.output>> {
    if (negotiate(PROTOCOL, join.protocol) === null) throw unsupported(noCommonProtocol(PROTOCOL, join.protocol));
    const availabilityZone = await this.#enrol(join);
    this.snapshot.wake();
    return {
      hostId: join.hostId, cellId: this.db.cellId, cloudId: this.db.cloudId, natsUrls: this.config.natsUrls, availabilityZone,
      natsUserJwt: await this.signer.signHostUser(join.publicNkey, join.hostId),
    };
  }

  /** Answers the host's zone. */
  async #enrol(join: Join): Promise<string> {
    const hash = hashToken(join.token);
    try {
      return await this.enrolment.transaction(async (client) => {
        const token = await this.enrolment.lockToken(client, hash);
        const alike = await this.enrolment.alike(client, join);
        const decision = decideEnrolment(token, join, alike);
        if (decision.do === 'refuse') throw REFUSALS[decision.kind](decision.message);
        if (decision.do === 'welcome-back') {
          if (decision.useToken) await this.enrolment.useToken(client, hash, join.hostId);
          return alike.find((host) => host.id === join.hostId)!.availabilityZone;
        }
        await this.enrolment.enrol(client, join, token!, this.config.ratios ?? DEFAULT_RATIOS);
        await this.enrolment.useToken(client, hash, join.hostId);
        return token!.availabilityZone;
      });
    } catch (error) {
      // Two joined at the same moment with different tokens: the other one was first.
      if (codeOf(error) === UNIQUE_VIOLATION) throw conflict('A host with this name, id or key has just joined. Choose another name with --name.', { cause: error });
      throw error;
    }
  }
}
