import type { Needs } from '#libs/contracts';
import { needsOfMade } from '#libs/openstack';
import type { InstanceSpec } from './instance-row.js';

/** What a server needs of a host besides amounts; null: nothing. Never kept: what is kept are its flavor and what its image said. */
export const needsOf = ({ flavor, imageProperties }: Pick<InstanceSpec, 'flavor' | 'imageProperties'>): Needs | null => needsOfMade(flavor, imageProperties ?? {});
