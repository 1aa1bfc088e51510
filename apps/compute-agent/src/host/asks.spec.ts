import { describe, expect, it } from '@jest/globals';
import { lastLines } from './asks.js';

const text = (value: string, lines?: number): string => lastLines(Buffer.from(value), lines);

describe('lastLines', () => {
  it('gives the last lines, or all', () => {
    expect(text('a\nb\nc\n')).toBe('a\nb\nc\n');
    expect(text('a\nb\nc\n', 2)).toBe('b\nc\n');
    expect(text('a\nb\nc', 2)).toBe('b\nc');
    expect(text('a\nb\nc\n', 99)).toBe('a\nb\nc\n');
    expect(text('a\n', 0)).toBe('');
    expect(text('', 3)).toBe('');
  });
  it('replaces what is no UTF-8, and drops a character that the limit has cut', () => {
    expect(lastLines(Buffer.from([0x61, 0xff, 0x62]), undefined)).toBe('a\ufffdb');
    expect(lastLines(Buffer.from('€uro').subarray(1), undefined)).toBe('uro');
  });
});
