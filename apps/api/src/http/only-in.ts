import { notFound } from '#libs/errors';
import type { Microversion, VersionText } from '#libs/openstack';

/** A route that other microversions do not have looks to them as if it were not there. */
export function onlyIn(version: Microversion, range: { since?: VersionText; until?: VersionText }): void {
  const before = range.since !== undefined && version.below(range.since);
  const after = range.until !== undefined && version.minor > Number(range.until.slice(2));
  if (before || after) throw notFound('The resource could not be found.');
}
