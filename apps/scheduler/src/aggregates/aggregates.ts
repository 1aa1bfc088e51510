import { Injectable } from '@nestjs/common';
import type { Aggregate, changeAggregate, createAggregate, OutputOf, ReceivedBy } from '#libs/contracts';
import { badRequest, conflict, forbidden, notFound, overQuota } from '#libs/errors';
import { ZONE } from '../decide/aggregate-change.js';
import { Snapshot } from '../snapshot/snapshot.js';
import { AggregatesRepository } from './aggregates.repository.js';
import { byOf } from '../hosts/hosts.repository.js';

const REFUSALS = { 'bad-request': badRequest, conflict, 'not-found': notFound, 'over-quota': overQuota };

/** Host aggregates: which hosts belong together, and what is said of them. */
@Injectable()
export class Aggregates {
  constructor(private readonly aggregates: AggregatesRepository, private readonly snapshot: Snapshot) {}

  async list(): Promise<{ aggregates: Aggregate[] }> {
    return { aggregates: await this.aggregates.list() };
  }

  async get(id: number): Promise<Aggregate> {
    const aggregate = await this.aggregates.find(id);
    if (!aggregate) throw missing(id);
    return aggregate;
  }

  async create({ caller, uuid, name, availabilityZone }: ReceivedBy<typeof createAggregate>): Promise<Aggregate> {
    if (!caller.isAdmin) throw forbidden('Only an admin may make aggregates.');
    const made = await this.aggregates.create(uuid, name, availabilityZone === null ? {} : { [ZONE]: availabilityZone }, byOf(caller));
    if (made === 'taken') throw taken(name);
    if ('tooMany' in made) throw overQuota(made.tooMany);
    return made;
  }

  async change({ caller, id, change }: ReceivedBy<typeof changeAggregate>): Promise<OutputOf<typeof changeAggregate>> {
    if (!caller.isAdmin) throw forbidden('Only an admin may change aggregates.');
    const outcome = await this.aggregates.change(id, change, byOf(caller));
    if (outcome === undefined) throw missing(id);
    if ('problem' in outcome) throw 'kind' in outcome ? REFUSALS[outcome.kind](outcome.problem) : taken(change.do === 'update' ? change.name ?? '' : '');
    this.snapshot.wake();
    return { aggregate: outcome.next === 'gone' ? null : await this.get(id) };
  }
}

const missing = (id: number) => notFound(`Aggregate ${id} could not be found.`);
const taken = (name: string) => conflict(`Aggregate ${name} already exists.`);
