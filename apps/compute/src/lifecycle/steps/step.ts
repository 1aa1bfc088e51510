import type { SkyError } from '#libs/errors';
import type { Bus } from '#libs/messaging';
import type { DeparturesRepository } from '../../hosts/departures.repository.js';
import type { HostDirectory } from '../../hosts/host-directory.js';
import type { InstancesRepository } from '../../instances/instances.repository.js';
import type { InstanceRow } from '../../instances/instance-row.js';
import type { MigrationsRepository } from '../../moves/migrations.repository.js';
import type { ServerGroupsRepository } from '../../server-groups/server-groups.repository.js';
import type { Tempo } from '../../tempo.js';
import type { PassFacts } from '../decide/facts.js';

/** What steps work with. */
export interface StepTools {
  instances: InstancesRepository;
  hosts: HostDirectory;
  departures: DeparturesRepository;
  moves: MigrationsRepository;
  groups: ServerGroupsRepository;
  bus: Bus;
  tempo: Tempo;
  /** Database and bus can be reached now. */
  reachable(): boolean;
}

/** What a step came to. */
export type StepResult =
  /** Nothing was written; this is known now. */
  | { learned: PassFacts }
  /** Written; the pass goes on with the row as it is now. */
  | { row: InstanceRow }
  /** Written, but it came to nothing for now, because of this: come again later, as after an error. */
  | { postponed: SkyError; row: InstanceRow }
  /** Somebody changed the row meanwhile: decide anew. */
  | 'lost'
  /** Written, lease given back: the pass ends. */
  | 'done';

/** The result of a write that goes on, or that ends the pass. */
export const goesOn = (row: InstanceRow | undefined): StepResult => (row ? { row } : 'lost');
export const ends = (row: InstanceRow | undefined): StepResult => (row ? 'done' : 'lost');
