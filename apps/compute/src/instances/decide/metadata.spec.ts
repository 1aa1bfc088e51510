import { describe, expect, it } from '@jest/globals';
import { whyNotMetadata } from './metadata.js';

const items = (count: number, value = 'v'): Record<string, string> => Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`.padEnd(255, 'x'), value]));

describe('whyNotMetadata', () => {
  it.each<[string, Record<string, string>, number, unknown]>([
    ['none', {}, 0, undefined],
    ['as many as the project may have, as long as they may be', items(128, '\u0001'.repeat(255)), 128, undefined],
    ['one too many', items(129), 128, { quota: 'Maximum number of metadata items exceeds 128' }],
    ['more, where there is no limit', items(500), -1, undefined],
    ['more than fits a message', items(1001), -1, { wrong: 'Metadata of a server may have at most 262144 bytes in all.' }],
    ['a long value', { a: 'v'.repeat(256) }, 128, { wrong: 'Metadata property value greater than 255 characters' }],
    ['a long key', { ['k'.repeat(256)]: 'v' }, 128, { wrong: 'Metadata property key greater than 255 characters' }],
    ['an empty key', { '': 'v' }, 128, { wrong: 'Metadata property key blank' }],
  ])('%s', (_name, metadata, max, refusal) => expect(whyNotMetadata(metadata, max)).toEqual(refusal));
});
