import { expect, it } from '@jest/globals';
import { LIMITS } from './limits.js';
import { Turns } from './turns.js';

/** As long as a turn may take. */
const work = (): void => { const began = performance.now(); while (performance.now() - began <= LIMITS.turnMs); };

it('long work lets others in between its parts, keeps their order, and what a part begins counts as well', async () => {
  const said: string[] = [];
  const other = (): void => { said.push('other'); };
  setImmediate(other);
  expect(await new Turns().map([1, 2, 3], (one, at) => { said.push(`${one} at ${at}`); work(); return one * 2; })).toEqual([2, 4, 6]);
  expect(said).toEqual(['1 at 0', 'other', '2 at 1', '3 at 2']);
  said.length = 0;
  setImmediate(other);
  await new Turns().each(['a', 'b'], (one) => { void Promise.resolve().then(() => { said.push(one); work(); }); });
  expect(said).toEqual(['a', 'other', 'b']);
});
