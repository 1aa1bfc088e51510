import { Inject, Injectable } from '@nestjs/common';
import type { listChanges, OutputOf, readTimeline, ReceivedBy, TimelineEntry } from '#libs/contracts';
import { badRequest, notFound } from '#libs/errors';
import { InstancesRepository } from '../instances/instances.repository.js';
import { LIMITS } from '../limits.js';
import { isAction, timelineOf } from './decide/timeline.js';
import { EVENTS_KEEP_DAYS } from './keep-days.js';
import { TimelineRepository } from './timeline.repository.js';

/** What happened: to one server, and to all of them. Changes nothing. */
@Injectable()
export class Timeline {
  constructor(private readonly instances: InstancesRepository, private readonly events: TimelineRepository, @Inject(EVENTS_KEEP_DAYS) private readonly keepDays: number) {}

  async read(input: ReceivedBy<typeof readTimeline>): Promise<OutputOf<typeof readTimeline>> {
    const { caller, instanceId, requestId, limit } = input;
    const row = await this.instances.find(instanceId);
    const hidden = !row || (!caller.isAdmin && row.project_id !== caller.projectId) || (row.intent === 'deleted' && !input.deletedToo);
    if (hidden) throw notFound(`Instance ${instanceId} could not be found.`);
    let entries = timelineOf(await this.events.rows(instanceId, LIMITS.timelineRows)).reverse();
    if (input.requestsOnly) entries = entries.filter((entry) => entry.requestId !== null && isAction(entry));
    if (requestId !== undefined) entries = entries.filter((entry) => entry.requestId === requestId);
    const { changesSince, changesBefore, marker } = input;
    if (marker !== undefined) {
      const at = entries.findIndex((entry) => entry.requestId === marker);
      if (at === -1) throw badRequest(`marker [${marker}] not found`);
      entries = entries.slice(at + 1);
    }
    if (changesSince !== undefined) entries = entries.filter(({ updatedAt }) => Date.parse(updatedAt) >= Date.parse(changesSince));
    if (changesBefore !== undefined) entries = entries.filter(({ updatedAt }) => Date.parse(updatedAt) <= Date.parse(changesBefore));
    const page = withinMessage(entries.slice(0, limit), input.withLines);
    return { entries: page, more: entries.length > page.length };
  }

  async changes({ after, limit, resumes }: ReceivedBy<typeof listChanges>): Promise<OutputOf<typeof listChanges>> {
    const { incarnation } = this.events;
    if (after === null) return { changes: [], upTo: { xid: await this.events.horizon(), id: '0' }, incarnation, more: false, gone: false };
    if (after.incarnation !== incarnation || (resumes && !(await this.events.holds(after, this.keepDays)))) {
      return { changes: [], upTo: { xid: await this.events.horizon(), id: '0' }, incarnation, more: false, gone: true };
    }
    const { rows, horizon } = await this.events.changes(after, limit);
    const last = rows.at(-1);
    const more = rows.length === limit;
    return {
      changes: rows.map((row) => ({
        position: { xid: row.xid, id: row.id }, kind: 'server', id: row.instance_id, projectId: row.project_id, what: row.kind, at: row.at.toISOString(), requestId: row.request_id,
      })),
      // Never back: a position of this very moment may be ahead of the horizon of a slower look.
      upTo: more && last !== undefined ? { xid: last.xid, id: last.id } : BigInt(horizon) < BigInt(after.xid) ? { xid: after.xid, id: after.id } : { xid: horizon, id: horizon === after.xid ? after.id : '0' },
      incarnation, more, gone: false,
    };
  }
}

/** As many entries as fit a message; texts that are longer than anyone reads are cut. */
function withinMessage(entries: readonly TimelineEntry[], withLines: boolean): TimelineEntry[] {
  if (!withLines) return entries.map((entry) => ({ ...entry, lines: [] }));
  const page: TimelineEntry[] = [];
  let left: number = LIMITS.timelineLines;
  for (const entry of entries) {
    if (left <= 0) break;
    const lines = entry.lines.slice(-left);
    left -= Math.max(1, lines.length);
    page.push({ ...entry, lines: lines.map((each) => ({ ...each, message: cut(each.message), detail: each.detail === null ? null : cut(each.detail) })) });
  }
  return page;
}

const cut = (text: string): string => (text.length <= LIMITS.timelineMessageChars ? text : `${text.slice(0, LIMITS.timelineMessageChars)}…`);
