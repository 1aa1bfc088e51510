import { z } from 'zod';
import { Caller, Timestamp } from './common.js';
import { defineContract } from './contract.js';

const Name = z.string().min(1).max(255);

export const Aggregate = z.object({
  id: z.int(), uuid: z.uuid(), name: z.string(), metadata: z.record(z.string(), z.string()),
  /** Names, in order. */
  hosts: z.array(z.string()),
  createdAt: Timestamp, updatedAt: Timestamp.nullable(),
});
export type Aggregate = z.output<typeof Aggregate>;

export const listAggregates = defineContract({ subject: 'svc.scheduler.aggregates.list', input: z.object({}), output: z.object({ aggregates: z.array(Aggregate) }), timeoutMs: 5_000 });
export const getAggregate = defineContract({ subject: 'svc.scheduler.aggregates.get', input: z.object({ id: z.int() }), output: Aggregate, timeoutMs: 5_000 });
/** The uuid is made by the asker: the same again is answered, not made again. */
export const createAggregate = defineContract({
  subject: 'svc.scheduler.aggregates.create', input: z.object({ caller: Caller, uuid: z.uuid(), name: Name, availabilityZone: Name.nullable() }), output: Aggregate, timeoutMs: 5_000,
});

/** What is done to an aggregate. Repeated, each says that it was done already, as Nova does. */
export const AggregateChange = z.discriminatedUnion('do', [
  z.object({ do: z.literal('update'), name: Name.optional(), availabilityZone: Name.nullable().optional() }),
  /** null removes a key. */
  z.object({ do: z.literal('set-metadata'), metadata: z.record(Name, z.string().max(255).nullable()) }),
  z.object({ do: z.literal('add-host'), host: z.string().min(1).max(255) }),
  z.object({ do: z.literal('remove-host'), host: z.string().min(1).max(255) }),
  z.object({ do: z.literal('delete') }),
]);
export type AggregateChange = z.output<typeof AggregateChange>;

/** The aggregate as it is then; null: deleted. */
export const changeAggregate = defineContract({
  subject: 'svc.scheduler.aggregates.change', input: z.object({ caller: Caller, id: z.int(), change: AggregateChange }), output: z.object({ aggregate: Aggregate.nullable() }), timeoutMs: 5_000,
});
