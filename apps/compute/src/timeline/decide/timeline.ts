/**
 * Rows of events as a readable history: what people asked, and under each what the loop did for it, with when and how
 * long. Owns: which rows belong together, where a step begins and ends, when an action is over. Pure.
 *
 * A row says which step the loop is in from then on, so what lies between two rows of one request is that step. Rows
 * that only tell (a wait and its reason, trouble on the host, what the host is at) last until the next row.
 */
import type { TimelineEntry } from '#libs/contracts';

/** A moment, as text for people and in milliseconds since the epoch. */
export interface Moment { iso: string; ms: number }

export interface TimelineRow {
  at: Moment; kind: string; message: string; detail: string | null;
  requestId: string | null; userId: string | null; projectId: string;
  /** The loop's step and a move's phase from then on; null where no loop is concerned. */
  step: string | null; phase: string | null;
  hostId: string | null; hostName: string | null;
}

type Line = TimelineEntry['lines'][number];

const ENDS: ReadonlySet<string> = new Set(['settled', 'failed', 'finished']);
/** Rows that tell, and move nothing. */
const TELLING: ReadonlySet<string> = new Set(['wait', 'trouble', 'doing']);
/** Done by the very write that books them, whatever else is under way. */
const AT_ONCE: ReadonlySet<string> = new Set(['update', 'lock', 'unlock', 'update-metadata', 'delete-metadata', 'update-tags', 'delete-tags', 'reset-state', 'adopted', 'console-open', 'console-close', 'device-attach', 'device-detach']);
/** What people do to a server that moves no loop and that OpenStack does not call an action. */
const NO_ACTION: ReadonlySet<string> = new Set(['by-itself', 'update', 'update-metadata', 'delete-metadata', 'update-tags', 'delete-tags', 'adopted', 'console-open', 'console-close', 'device-attach', 'device-detach']);
export const isAction = (entry: Pick<TimelineEntry, 'action'>): boolean => !NO_ACTION.has(entry.action);

interface Timed { line: Line; from: Moment }
interface Open { entry: TimelineEntry; step: Timed | undefined; telling: Timed | undefined; over: boolean }

/** @param rows of one instance, in the order in which they were written. Gives entries in the order in which they began. */
export function timelineOf(rows: readonly TimelineRow[]): TimelineEntry[] {
  const entries: TimelineEntry[] = [];
  const asked = new Map<string, Open>();
  let stray: TimelineEntry | undefined;
  for (const row of rows) {
    const known = row.requestId === null ? undefined : asked.get(row.requestId);
    if (known === undefined && row.userId !== null) {
      const begun = begin(row);
      entries.push(begun.entry);
      if (row.requestId !== null) asked.set(row.requestId, begun);
      stray = undefined;
      // A newer wish takes over what an older one was at.
      if (!begun.over || ENDS.has(stepAfter(row))) for (const other of asked.values()) if (other !== begun && !AT_ONCE.has(row.kind)) overtake(other, row);
    } else if (known !== undefined && !known.over) {
      advance(known, row);
    } else {
      // By itself: a guest that switched itself off, drift that is put right.
      if (stray === undefined) {
        stray = { requestId: null, action: 'by-itself', userId: null, projectId: row.projectId, startedAt: row.at.iso, updatedAt: row.at.iso, finishedAt: null, failed: false, lines: [] };
        entries.push(stray);
      }
      stray.lines.push(line(row.kind, 'told', row, row.at, row.at));
      stray.updatedAt = row.at.iso;
      stray.finishedAt = row.at.iso;
      stray.failed ||= row.step === 'failed';
    }
  }
  return entries;
}

function begin(row: TimelineRow): Open {
  // Without a step it moves no loop (a console), or is of before steps were kept.
  const atOnce = AT_ONCE.has(row.kind) || row.step === null || ENDS.has(row.step);
  const entry: TimelineEntry = {
    requestId: row.requestId, action: row.kind, userId: row.userId, projectId: row.projectId,
    startedAt: row.at.iso, updatedAt: row.at.iso, finishedAt: atOnce ? row.at.iso : null, failed: false, lines: [],
  };
  const first = atOnce ? line(row.kind, 'step', row, row.at, row.at) : line(stepName(row), 'step', row, row.at, null);
  entry.lines.push(first);
  return { entry, step: atOnce ? undefined : { line: first, from: row.at }, telling: undefined, over: atOnce };
}

function advance(open: Open, row: TimelineRow): void {
  const { entry } = open;
  entry.updatedAt = row.at.iso;
  end(open.telling, row.at);
  open.telling = undefined;
  if (TELLING.has(row.kind)) {
    const told = line(row.kind === 'doing' ? `host: ${row.message}` : row.kind, row.kind === 'doing' ? 'step' : row.kind === 'wait' ? 'wait' : 'trouble', row, row.at, null);
    open.telling = { line: told, from: row.at };
    entry.lines.push(told);
    return;
  }
  const failed = row.step === 'failed';
  if (open.step !== undefined) {
    end(open.step, row.at);
    Object.assign(open.step.line, { outcome: failed ? 'error' : 'success', message: row.message, detail: row.detail, hostId: row.hostId ?? open.step.line.hostId, hostName: row.hostName ?? open.step.line.hostName, ended: row.kind });
  }
  open.step = undefined;
  if (ENDS.has(stepAfter(row))) {
    open.over = true;
    entry.finishedAt = row.at.iso;
    entry.failed = failed;
    return;
  }
  open.step = { line: { ...line(stepName(row), 'step', row, row.at, null), message: '', detail: null }, from: row.at };
  entry.lines.push(open.step.line);
}

function overtake(open: Open, by: TimelineRow): void {
  if (open.over) return;
  end(open.telling, by.at);
  end(open.step, by.at);
  if (open.step !== undefined) Object.assign(open.step.line, { outcome: 'error', message: `not finished: ${by.kind} was asked for`, ended: null });
  Object.assign(open, { over: true, step: undefined, telling: undefined });
  Object.assign(open.entry, { finishedAt: by.at.iso, updatedAt: by.at.iso });
}

const stepAfter = (row: TimelineRow): string => row.step ?? '';
const stepName = (row: TimelineRow): string => (row.phase !== null ? `move: ${row.phase}` : stepAfter(row) || row.kind);

const line = (name: string, what: Line['what'], row: TimelineRow, from: Moment, to: Moment | null): Line => ({
  name, what, startedAt: from.iso, finishedAt: to === null ? null : to.iso, durationMs: to === null ? null : 0,
  outcome: to === null ? null : row.step === 'failed' ? 'error' : 'success',
  message: row.message, detail: row.detail, hostId: row.hostId, hostName: row.hostName, ended: to === null ? null : row.kind,
});

/** Rows are in the order of writing; their times are those of the transactions' beginnings, which may be the other way round. */
function end(open: Timed | undefined, at: Moment): void {
  if (open === undefined) return;
  const later = at.ms > open.from.ms;
  Object.assign(open.line, { finishedAt: later ? at.iso : open.from.iso, durationMs: later ? at.ms - open.from.ms : 0, outcome: open.line.outcome ?? 'success' });
}
