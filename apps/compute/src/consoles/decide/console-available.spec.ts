import { describe, expect, it } from '@jest/globals';
import { consoleAvailable, type ConsoleSubject } from './console-available.js';

const subject = (change: Partial<ConsoleSubject> = {}): ConsoleSubject => ({ id: 'i', hostId: 'h', observedState: 'running', frozen: { renderVersion: 2, virtType: 'qemu' }, ...change });

describe('consoleAvailable', () => {
  it('wants a server that is up on a host', () => {
    for (const kind of ['vnc', 'serial'] as const) {
      expect(consoleAvailable(kind, subject())).toEqual({ ok: true });
      expect(consoleAvailable(kind, subject({ observedState: 'paused' }))).toEqual({ ok: true });
      for (const observedState of [null, 'absent', 'building', 'stopped', 'suspended', 'crashed', 'failed']) expect(consoleAvailable(kind, subject({ observedState }))).toEqual({ ok: false, kind: 'conflict', message: 'Instance i is not ready' });
      expect(consoleAvailable(kind, subject({ hostId: null }))).toMatchObject({ kind: 'conflict' });
    }
  });
  it('wants a screen for a screen, as far as is known', () => {
    expect(consoleAvailable('vnc', subject({ frozen: {} }))).toEqual({ ok: true });
    expect(consoleAvailable('vnc', subject({ frozen: { renderVersion: 3 } }))).toEqual({ ok: true });
    expect(consoleAvailable('vnc', subject({ frozen: { renderVersion: 1 } }))).toMatchObject({ kind: 'unsupported' });
    expect(consoleAvailable('vnc', subject({ frozen: { renderVersion: 2, virtType: 'simulated' } }))).toMatchObject({ kind: 'unsupported' });
    expect(consoleAvailable('serial', subject({ frozen: { renderVersion: 1 } }))).toEqual({ ok: true });
  });
});
