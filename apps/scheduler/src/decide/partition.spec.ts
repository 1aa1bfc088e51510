import { expect, it } from '@jest/globals';
import { ownerOf } from './partition.js';

const hosts = Array.from({ length: 4_000 }, (_, at) => `host-${at}`);
const schedulers = ['a', 'b', 'c', 'd'];

it('each host has one owner, whoever asks, and each scheduler about as many hosts', () => {
  const owned = new Map<string, number>();
  for (const host of hosts) {
    const owner = ownerOf(host, schedulers);
    expect(ownerOf(host, [...schedulers].reverse())).toBe(owner);
    owned.set(owner, (owned.get(owner) ?? 0) + 1);
  }
  for (const id of schedulers) expect(Math.abs(owned.get(id)! - 1_000)).toBeLessThan(150);
  expect(ownerOf('host-1', ['alone'])).toBe('alone');
});

it('a scheduler that goes leaves its hosts to the others, and theirs are as before', () => {
  for (const host of hosts) {
    const owner = ownerOf(host, schedulers);
    const left = schedulers.filter((id) => id !== 'b');
    if (owner === 'b') expect(left).toContain(ownerOf(host, left));
    else expect(ownerOf(host, left)).toBe(owner);
  }
});
