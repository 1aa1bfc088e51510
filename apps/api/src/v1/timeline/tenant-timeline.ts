import type { TimelineEntry } from '#libs/contracts';
import { forTenants } from '#libs/openstack';

/** Lines whose text was written for everyone; others may name hosts. */
const FOR_EVERYONE: ReadonlySet<string> = new Set(['wait', 'trouble']);

/** The texts of a timeline as those see them who may not know hosts: waits, trouble and errors. Hosts themselves the view leaves out. */
export const forTenant = (entry: TimelineEntry): TimelineEntry => ({
  ...entry,
  lines: entry.lines.map((line) => ({ ...line, detail: null, message: FOR_EVERYONE.has(line.what) || line.outcome === 'error' ? forTenants(line.message) : '' })),
});

export const withoutHosts = (entry: TimelineEntry): TimelineEntry => ({ ...entry, lines: entry.lines.map((line) => ({ ...line, hostId: null, hostName: null })) });
