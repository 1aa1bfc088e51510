/**
 * Ends a move of a server: what was claimed for its destination is what it runs on from now on. Owns the answer to
 * `settleMove`; the change is one statement, so a crash leaves it done or not done, and a repeat finds it done.
 */
import { Injectable } from '@nestjs/common';
import { badRequest, stale } from '#libs/errors';
import { MOST } from '../decide/capacity.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { ClaimsRepository } from './claims.repository.js';

interface Settlement { instanceId: string; generation: number; keepOldAs: string | null }

@Injectable()
export class SettleMove {
  constructor(private readonly claims: ClaimsRepository, private readonly snapshot: Snapshot) {}

  /** Throws `stale` when nothing is claimed for this move. */
  async execute({ instanceId, generation, keepOldAs }: Settlement): Promise<{ already: boolean }> {
    if (generation > MOST) throw badRequest(`A generation is at most ${MOST}.`);
    if (keepOldAs === 'run' || keepOldAs === 'move') throw badRequest(`'${keepOldAs}' is the name of another claim.`);
    const outcome = await this.claims.settleMove(instanceId, generation, keepOldAs);
    if (outcome === 'none') throw stale(`Instance ${instanceId} has no claim for a move of generation ${generation}.`);
    if (outcome === 'settled') this.snapshot.wake();
    return { already: outcome === 'was settled' };
  }
}
