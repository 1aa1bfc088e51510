import { describe, expect, it } from '@jest/globals';
import { HTTP_LIMITS } from './index.js';
import { ProjectBrakes, type RequestKind } from './project-brakes.js';

describe('a project’s brakes', () => {
  const brakes = (options: Partial<ConstructorParameters<typeof ProjectBrakes>[0]> = {}) => {
    const clock = { ms: 0 };
    return { clock, brakes: new ProjectBrakes({ requestsPerS: 10, burst: 20, createsInFlight: 2, readsInFlight: 2, ...options }, () => clock.ms) };
  };
  const passes = (b: ProjectBrakes, scope: string, kind: RequestKind = 'read'): boolean => {
    try {
      b.pass(scope, kind)();
      return true;
    } catch {
      return false;
    }
  };

  it('let a burst through, then so many a second; others are not touched', () => {
    const { brakes: b, clock } = brakes();
    expect(Array.from({ length: 30 }, () => passes(b, 'p')).filter(Boolean)).toHaveLength(20);
    expect(passes(b, 'other')).toBe(true);
    clock.ms += 500;
    expect(Array.from({ length: 30 }, () => passes(b, 'p')).filter(Boolean)).toHaveLength(5);
    clock.ms += 3_600_000;
    expect(Array.from({ length: 30 }, () => passes(b, 'p')).filter(Boolean)).toHaveLength(20);
  });

  it('say what the limit is and when to come again', () => {
    const { brakes: b } = brakes({ requestsPerS: 1, burst: 1 });
    b.pass('p', 'read');
    expect(() => b.pass('p', 'read')).toThrow(expect.objectContaining({ kind: 'too-many-requests', retryAfterS: 1, message: expect.stringMatching(/at most 1 a second, 1 at once/) }));
  });

  it('count writes under way, each once, and free them when they end', () => {
    const { brakes: b } = brakes();
    const [first] = [b.pass('p', 'write'), b.pass('p', 'write')];
    expect(() => b.pass('p', 'write')).toThrow(expect.objectContaining({ kind: 'too-many-requests', retryAfterS: 1 }));
    expect(passes(b, 'p')).toBe(true);
    first?.();
    first?.();
    expect(passes(b, 'p', 'write')).toBe(true);
    b.pass('p', 'write');
    expect(() => b.pass('p', 'write')).toThrow();
  });

  it('count reads under way apart from writes, and streams not at all', () => {
    const { brakes: b } = brakes();
    const [first] = [b.pass('p', 'read'), b.pass('p', 'read')];
    expect(() => b.pass('p', 'read')).toThrow(expect.objectContaining({ kind: 'too-many-requests', message: expect.stringMatching(/2 requests under way/) }));
    expect(passes(b, 'p', 'write') && passes(b, 'p', 'stream') && passes(b, 'other')).toBe(true);
    first?.();
    expect(passes(b, 'p')).toBe(true);
  });

  it('remember so many projects and no more, and never forget writes under way', () => {
    const { brakes: b } = brakes({ createsInFlight: 1 });
    b.pass('busy', 'write');
    for (let n = 0; n < HTTP_LIMITS.braked + 100; n += 1) b.pass(`p${n}`, 'read')();
    expect(b.size).toBe(HTTP_LIMITS.braked);
    expect(() => b.pass('busy', 'write')).toThrow();
  });
});
