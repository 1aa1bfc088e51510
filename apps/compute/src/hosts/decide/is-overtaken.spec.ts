import { expect, it } from '@jest/globals';
import { isOvertaken } from './is-overtaken.js';

it.each([
  [undefined, { bootId: 'a', sequence: 1 }, false], [{ bootId: 'a', sequence: 5 }, { bootId: 'a' }, false], [{ bootId: 'a', sequence: 5 }, { bootId: 'a', sequence: 5 }, false],
  [{ bootId: 'a', sequence: 5 }, { bootId: 'a', sequence: 4 }, true], [{ bootId: 'a', sequence: 5 }, { bootId: 'b', sequence: 1 }, false], [{ bootId: 'a', sequence: 5 }, { bootId: 'a', sequence: 6 }, false],
])('%j then %j: %s', (stored, report, overtaken) => {
  expect(isOvertaken(stored, report)).toBe(overtaken);
});
