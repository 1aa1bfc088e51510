import { Controller, UseFilters } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { changeAggregate, createAggregate, getAggregate, listAggregates, type Aggregate, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { DatabaseErrorFilter } from '../database-error.js';
import { Aggregates } from './aggregates.js';

@Controller()
@UseFilters(DatabaseErrorFilter)
export class AggregatesController {
  constructor(private readonly aggregates: Aggregates) {}

  @Handles(listAggregates)
  list(): Promise<OutputOf<typeof listAggregates>> { return this.aggregates.list(); }

  @Handles(getAggregate)
  get(@Payload() { id }: ReceivedBy<typeof getAggregate>): Promise<Aggregate> { return this.aggregates.get(id); }

  @Handles(createAggregate)
  create(@Payload() input: ReceivedBy<typeof createAggregate>): Promise<Aggregate> { return this.aggregates.create(input); }

  @Handles(changeAggregate)
  change(@Payload() input: ReceivedBy<typeof changeAggregate>): Promise<OutputOf<typeof changeAggregate>> { return this.aggregates.change(input); }
}
