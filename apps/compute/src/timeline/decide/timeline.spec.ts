import { describe, expect, it } from '@jest/globals';
import { noteOf } from './notes.js';
import { isAction, timelineOf, type TimelineRow } from './timeline.js';

const at = (s: number) => ({ iso: new Date(Date.UTC(2026, 0, 1, 0, 0, s)).toISOString(), ms: s * 1000 });
const row = (s: number, kind: string, step: string | null, change: Partial<TimelineRow> = {}): TimelineRow =>
  ({ at: at(s), kind, message: '', detail: null, requestId: 'req-1', userId: null, projectId: 'p', step, phase: null, hostId: null, hostName: null, ...change });
const asks = { userId: 'u1' };
const short = (entries: ReturnType<typeof timelineOf>) => entries.map((entry) => [entry.action, entry.finishedAt === null ? 'open' : entry.failed ? 'failed' : 'done',
  ...entry.lines.map((line) => `${line.name} ${line.durationMs ?? '-'} ${line.outcome ?? '-'} ${line.message}`.trim())]);

describe('a timeline', () => {
  it('has each step with its duration and each wait with its reason', () => {
    expect(short(timelineOf([
      row(0, 'create', 'claim-host', asks), row(2, 'wait', 'claim-host', { message: 'for what is out of reach' }), row(5, 'assigned', 'wait-host', { message: 'to host a', hostName: 'a' }),
      row(6, 'doing', 'wait-host', { message: 'fetch-image' }), row(8, 'trouble', 'wait-host', { message: 'no route' }), row(9, 'launched', 'settled'),
    ]))).toEqual([['create', 'done', 'claim-host 5000 success to host a', 'wait 3000 success for what is out of reach', 'wait-host 4000 success', 'host: fetch-image 2000 success fetch-image', 'trouble 1000 success no route']]);
  });

  it('tells errors, and what is still under way', () => {
    expect(short(timelineOf([row(0, 'create', 'claim-host', asks), row(1, 'error', 'failed', { message: 'No valid host was found.' }), row(2, 'delete', 'release-claim', { ...asks, requestId: 'req-2' })])))
      .toEqual([['create', 'failed', 'claim-host 1000 error No valid host was found.'], ['delete', 'open', 'release-claim - -']]);
  });

  it('ends what a newer wish overtakes, but not for what is done at once', () => {
    expect(short(timelineOf([
      row(0, 'create', 'claim-host', asks), row(1, 'lock', 'claim-host', { ...asks, requestId: 'req-2' }), row(2, 'assigned', 'wait-host'), row(3, 'delete', 'wait-host', { ...asks, requestId: 'req-3' }),
      row(4, 'absent', 'wait-host', { requestId: 'req-3' }), row(5, 'deleted', 'finished', { requestId: 'req-3' }),
    ]))).toEqual([
      ['create', 'done', 'claim-host 2000 success', 'wait-host 1000 error not finished: delete was asked for'], ['lock', 'done', 'lock 0 success'],
      ['delete', 'done', 'wait-host 1000 success', 'wait-host 1000 success'],
    ]);
  });

  it('sets apart what happens by itself after the request was done', () => {
    expect(short(timelineOf([row(0, 'stop', 'wait-host', asks), row(1, 'stopped', 'settled'), row(50, 'drift', 'wait-host', { message: 'wanted stopped, found running' }), row(51, 'stopped', 'settled')])))
      .toEqual([['stop', 'done', 'wait-host 1000 success'], ['by-itself', 'done', 'drift 0 success wanted stopped, found running', 'stopped 0 success']]);
  });

  it('names moves by their phase, and never has a negative duration', () => {
    expect(short(timelineOf([row(9, 'resize', 'claim-host', { ...asks, phase: 'claim' }), row(8, 'move', 'wait-host', { phase: 'stop' }), row(11, 'arrived', 'settled', { phase: 'verify' })])))
      .toEqual([['resize', 'done', 'move: claim 0 success', 'move: stop 3000 success']]);
  });

  it('takes what concerns no loop (a console, rows of before steps were kept) as done at once, and lets it end nothing', () => {
    const entries = timelineOf([row(0, 'stop', 'wait-host', asks), row(1, 'console-open', null, { ...asks, requestId: 'req-2' }), row(2, 'console-close', null, { ...asks, requestId: 'req-2' }), row(3, 'stopped', 'settled')]);
    expect(short(entries)).toEqual([['stop', 'done', 'wait-host 3000 success'], ['console-open', 'done', 'console-open 0 success'], ['by-itself', 'done', 'console-close 0 success']]);
    expect(entries.filter(isAction).map(({ action }) => action)).toEqual(['stop']);
  });

  it('is the same however often it is read, and empty of nothing', () => {
    expect(timelineOf([])).toEqual([]);
  });
});

describe('what of a report is worth a line', () => {
  const seen = (doing: string | null, message?: string) => ({ doing, error: message === undefined ? null : { code: 'x', message, attempts: 1, final: false } });
  it('is new trouble, and the next piece of work, each once', () => {
    const note = (before: ReturnType<typeof seen> | null, now: ReturnType<typeof seen>) => noteOf({ observed: before }, { observed: now as never, step: 'wait-host' });
    expect(note(null, seen('fetch-image'))).toEqual({ kind: 'doing', message: 'fetch-image' });
    expect(note(seen('fetch-image'), seen('fetch-image'))).toBeNull();
    expect(note(seen('fetch-image'), seen('define', 'no'))).toEqual({ kind: 'trouble', message: 'no' });
    expect(note(seen('define', 'no'), seen('define', 'no'))).toBeNull();
    expect(note(seen('define', 'no'), seen(null))).toBeNull();
  });
});
