import { describe, expect, it } from '@jest/globals';
import { passwordExpiry } from './password-expiry.js';

describe('the filter on when passwords expire', () => {
  it.each([
    ['lt:2016-12-08T22:02:00Z', '<', '2016-12-08T22:02:00.000Z'],
    ['neq:2016-12-08T22:02:00Z', '<>', '2016-12-08T22:02:00.000Z'],
    ['2016-12-08T22:02:00.5Z', '=', '2016-12-08T22:02:00.500Z'],
    ['gte:2016-12-08T22:02:00', '>=', '2016-12-08T22:02:00.000Z'],
  ])('reads %s', (text, operator, at) => {
    expect(passwordExpiry(text)).toEqual({ operator, at });
  });

  it.each(['xx:2016-12-08T22:02:00Z', 'lt:', 'lt:2016-13-45T22:02:00Z', 'lt:yesterday', '', 'lt:2016-12-08', '; drop'])('refuses %j', (text) => {
    expect(passwordExpiry(text)).toHaveProperty('problem');
  });
});
