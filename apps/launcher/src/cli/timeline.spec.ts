import { describe, expect, it } from '@jest/globals';
import type { TimelineEntry } from '#libs/contracts';
import { duration, timelineText } from './timeline.js';

const line = (change: Partial<TimelineEntry['lines'][number]>): TimelineEntry['lines'][number] => ({
  name: 'claim-host', what: 'step', startedAt: '2026-01-01T00:00:00.000Z', finishedAt: '2026-01-01T00:00:01.500Z', durationMs: 1500, outcome: 'success', ended: 'assigned', message: 'to host a', detail: null,
  hostId: 'h', hostName: 'a', ...change,
});

describe('a timeline as text', () => {
  it('tells who asked, each step with its duration, each wait with its reason, each error', () => {
    const text = timelineText([
      { requestId: 'req-2', action: 'stop', userId: 'u', projectId: 'p', startedAt: '2026-01-01T00:01:00.000Z', updatedAt: '2026-01-01T00:01:00.000Z', finishedAt: null, failed: false,
        lines: [line({ name: 'wait-host', startedAt: '2026-01-01T00:01:00.000Z', finishedAt: null, durationMs: null, outcome: null, ended: null, message: '' })] },
      { requestId: 'req-1', action: 'create', userId: 'u', projectId: 'p', startedAt: '2026-01-01T00:00:00.000Z', updatedAt: '2026-01-01T00:00:03.000Z', finishedAt: '2026-01-01T00:00:03.000Z', failed: true,
        lines: [line({}), line({ name: 'wait', what: 'wait', durationMs: 900, ended: 'x', message: 'for its host', detail: 'host a, which does not answer' }), line({ name: 'wait-host', outcome: 'error', ended: 'error', message: 'the disk is full', detail: 'What to do: …' })] },
    ], Date.parse('2026-01-01T00:01:05.000Z'));
    expect(text.split('\n')).toEqual([
      '  2026-01-01T00:00:00.000Z  create: failed in 3.0 s  (user u, req-1)',
      '    00:00:00.000      1.5 s  claim-host         assigned to host a',
      '    00:00:00.000     900 ms  wait               for its host on a',
      '                           host a, which does not answer',
      '    00:00:00.000      1.5 s  ! wait-host        error the disk is full on a',
      '                           What to do: …',
      '  2026-01-01T00:01:00.000Z  stop: under way for 5.0 s  (user u, req-2)',
      '    00:01:00.000  5.0 s, still  wait-host          on a',
    ]);
  });

  it.each([[0, '0 ms'], [999, '999 ms'], [59_900, '59.9 s'], [185_000, '3 min 5 s'], [7_800_000, '2 h 10 min']])('%d ms is %s', (ms, text) => { expect(duration(ms)).toBe(text); });
});
