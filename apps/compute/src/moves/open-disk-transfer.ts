import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { openDiskTransfer, OutputOf, ReceivedBy } from '#libs/contracts';
import { forbidden } from '#libs/errors';
import { MigrationsRepository } from './migrations.repository.js';

/** Whose disk a key opens: the source's of a move that is arriving. Before and after, it opens nothing. Reads only. */
@Injectable()
export class OpenDiskTransfer {
  constructor(private readonly moves: MigrationsRepository) {}

  async open({ transferId, key }: ReceivedBy<typeof openDiskTransfer>): Promise<OutputOf<typeof openDiskTransfer>> {
    const move = await this.moves.find(transferId);
    if (!move?.transfer_key || !isSame(move.transfer_key, key) || move.other_wanted !== 'stopped' || move.finished_at !== null) {
      throw forbidden('This key opens no disk, or not any more.');
    }
    return { sourceHostId: move.source_host_id as never, instanceId: move.instance_id as never };
  }
}

function isSame(known: string, given: string): boolean {
  const [a, b] = [Buffer.from(known), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
