import { describe, expect, it } from '@jest/globals';
import { inTurns } from './in-turns.js';

const long = 'x'.repeat(20_000);

describe('long texts in turns', () => {
  it('are whole', async () => {
    expect(String(await inTurns(['a', long, 'ü']))).toBe(`a${long}ü`);
    expect(String(await inTurns([]))).toBe('');
  });

  it('make one piece of one text in a turn of the event loop', async () => {
    let turn = 0;
    let going = true;
    const count = (): void => { turn += 1; if (going) setImmediate(count); };
    setImmediate(count);
    const made: number[] = [];
    function* pieces(): Generator<string> { for (let n = 0; n < 4; n += 1) { made.push(turn); yield long; } }
    await Promise.all([inTurns(pieces()), inTurns(pieces()), inTurns(pieces())]);
    going = false;
    // The first pieces come at once; each later one after a turn that was nobody else's.
    const later = made.slice(3);
    expect(new Set(later).size).toBe(later.length);
  });

  it('of short pieces wait for nobody', async () => {
    let turned = false;
    setImmediate(() => { turned = true; });
    await inTurns(['a', 'b']);
    expect(turned).toBe(false);
  });
});
