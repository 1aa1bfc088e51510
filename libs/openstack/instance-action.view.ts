/** A server's history in the words of Nova's instance actions. Pure. */
import type { TimelineEntry } from '#libs/contracts';
import { microsNoZone, microsNoZoneOrNull } from './dates.js';
import { hostIdOf } from './host-id.js';
import { nextLinks, type LinkBase, type PageAsked } from './links.js';
import type { Microversion } from './microversion.js';
import { has } from './version-table.js';

export interface InstanceActionContext { readonly version: Microversion; readonly links: LinkBase; readonly instanceId: string; readonly isAdmin: boolean }

/** Nova's names where they are not just ours without the dashes. */
const NAMES: Readonly<Record<string, string>> = {
  'force-delete': 'forceDelete', 'reset-state': 'resetState', evacuation: 'evacuate', migration: 'migrate', 'cold-migrate': 'migrate', 'live-migrate': 'live-migration', confirm: 'confirmResize', revert: 'revertResize',
};
export const instanceActionName = (booked: string): string => NAMES[booked] ?? booked.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

const RESULTS = { success: 'Success', error: 'Error' } as const;

const brief = (entry: TimelineEntry, { version, instanceId }: InstanceActionContext) => ({
  action: instanceActionName(entry.action), instance_uuid: instanceId, request_id: entry.requestId, user_id: entry.userId, project_id: entry.projectId,
  start_time: microsNoZone(entry.startedAt), message: entry.failed ? 'Error' : null,
  ...(has(version, 'instance-action.updated-at') && { updated_at: microsNoZone(entry.updatedAt) }),
});

export function instanceActionList(entries: readonly TimelineEntry[], page: PageAsked, context: InstanceActionContext) {
  const paged = has(context.version, 'instance-action.paging');
  const links = paged ? nextLinks(context.links, `servers/${context.instanceId}/os-instance-actions`, page, entries.map(({ requestId }) => requestId ?? '')) : undefined;
  return { instanceActions: entries.map((entry) => brief(entry, context)), ...(links !== undefined && { links }) };
}

/** Steps are named as the loop names them. Before 2.51 only admins see them; tracebacks only admins ever: here, the explanation of an error. */
export function instanceActionDetail(entry: TimelineEntry, context: InstanceActionContext) {
  const { version, isAdmin } = context;
  const visible = isAdmin || has(version, 'instance-action.updated-at');
  return {
    instanceAction: {
      ...brief(entry, context),
      ...(visible && {
        events: entry.lines.map((line) => ({
          event: line.name, start_time: microsNoZone(line.startedAt), finish_time: microsNoZoneOrNull(line.finishedAt),
          result: line.outcome === null ? null : RESULTS[line.outcome],
          ...((isAdmin || !has(version, 'instance-action.updated-at')) && { traceback: line.outcome === 'error' ? line.detail : null }),
          ...(has(version, 'instance-action.host') && { hostId: line.hostId === null ? '' : hostIdOf(entry.projectId, line.hostName ?? ''), ...(isAdmin && { host: line.hostName }) }),
          ...(has(version, 'instance-action.details') && { details: line.message === '' ? null : line.message }),
        })),
      }),
    },
  };
}
