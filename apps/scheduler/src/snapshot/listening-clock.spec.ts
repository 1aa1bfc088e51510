import { describe, expect, it } from '@jest/globals';
import { ListeningClock } from './listening-clock.js';

describe('ListeningClock', () => {
  it('stands while nothing can be heard, and for a grace after', () => {
    let real = 1_000;
    const clock = new ListeningClock(() => real);
    expect(clock.now()).toBe(1_000);
    real = 1_500;
    clock.deafen();
    real = 9_000;
    expect([clock.now(), clock.deaf]).toEqual([1_500, true]);
    clock.hearAgain(500);
    real = 9_499;
    expect([clock.now(), clock.deaf]).toEqual([1_500, true]);
    real = 9_600;
    expect([clock.now(), clock.deaf]).toEqual([1_600, false]);
  });

  it('takes back time in which the process stood still, and a loss within a grace prolongs it', () => {
    let real = 0;
    const clock = new ListeningClock(() => real);
    real = 10_000;
    clock.deafen(4_000);
    clock.hearAgain(1_000);
    expect(clock.now()).toBe(6_000);
    real = 10_500;
    clock.deafen();
    real = 20_000;
    expect(clock.now()).toBe(6_000);
    clock.hearAgain(0);
    real = 20_100;
    expect(clock.now()).toBe(6_100);
  });
});
