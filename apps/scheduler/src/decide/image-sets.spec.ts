import { expect, it } from '@jest/globals';
import { numaHost, cell, fleetOf, request, takers } from '../testing/numa-hosts.js';
import { ImageSets } from './image-sets.js';

it('hosts with the same images share a set; one that nobody has any more makes room for the next', () => {
  const sets = new ImageSets();
  const [one, same] = [sets.take(['b', 'a']), sets.take(['a', 'b', 'a'])];
  expect(same).toBe(one);
  expect(sets.take([])).toBe(0);
  sets.release(0);
  sets.release(one);
  expect([...sets.list[one]!]).toEqual(['a', 'b']);
  sets.release(one);
  expect(sets.list[one]!.size).toBe(0);
  expect(sets.take(['c'])).toBe(one);
  expect(sets.take(['a', 'b'])).toBe(2);
});

it('follow their hosts when others are removed', () => {
  const fleet = fleetOf(...['a', 'b', 'c'].map((name) => numaHost(name, [cell(0, 4, 1)])));
  const ids = [...fleet.ids];
  fleet.setImages(ids[1]!, ['y']);
  fleet.setImages(ids[2]!, ['x']);
  fleet.setImages('nobody', ['x']);
  for (let seed = 0; seed < 5; seed += 1) expect(takers(fleet, request(null, { image: 'x', seed }))[0]).toBe('c');
  fleet.remove(ids[0]!);
  for (let seed = 0; seed < 5; seed += 1) expect(takers(fleet, request(null, { image: 'x', seed }))[0]).toBe('c');
  fleet.setImages(ids[2]!, []);
  fleet.setImages(ids[1]!, ['x', 'y']);
  for (let seed = 0; seed < 5; seed += 1) expect(takers(fleet, request(null, { image: 'x', seed }))[0]).toBe('b');
});
