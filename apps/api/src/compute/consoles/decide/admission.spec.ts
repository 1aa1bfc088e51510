import { describe, expect, it } from '@jest/globals';
import { originAllowed, subprotocolOf, ticketIn } from './admission.js';

const T = 'A'.repeat(43);
const query = (text: string): URLSearchParams => new URLSearchParams(text);

describe('ticketIn', () => {
  it('finds it where clients put it', () => {
    expect(ticketIn(query(`token=${T}`), undefined)).toBe(T);
    expect(ticketIn(query(`path=${encodeURIComponent(`?token=${T}`)}`), undefined)).toBe(T);
    expect(ticketIn(query(`path=${encodeURIComponent(`websockify?token=${T}`)}`), undefined)).toBe(T);
    expect(ticketIn(query(''), `a=b; token=${T}`)).toBe(T);
  });
  it('takes nothing for one that is none', () => {
    for (const text of ['', 'token=', 'token=short', `token=${T}x`, `token=${'ä'.repeat(43)}`, 'path=x']) expect(ticketIn(query(text), 'token=short')).toBeUndefined();
  });
});

describe('originAllowed', () => {
  const facts = { origin: undefined, host: 'cloud.example:8780', publicUrl: undefined, allowed: [] };
  it('lets in who says nothing, and our own pages', () => {
    expect(originAllowed(facts)).toBe(true);
    expect(originAllowed({ ...facts, origin: 'http://cloud.example:8780' })).toBe(true);
    expect(originAllowed({ ...facts, origin: 'https://cloud.example', host: 'cloud.example' })).toBe(true);
    expect(originAllowed({ ...facts, origin: 'https://cloud.example', host: 'cloud.example:443' })).toBe(true);
    expect(originAllowed({ ...facts, origin: 'https://door.example', publicUrl: 'https://door.example' })).toBe(true);
  });
  it('keeps other pages out unless they are named', () => {
    for (const origin of ['https://evil.example', 'http://cloud.example:9999', 'null', '', 'https://cloud.example.evil.example']) expect(originAllowed({ ...facts, origin })).toBe(false);
    expect(originAllowed({ ...facts, origin: 'https://panel.example', allowed: ['https://panel.example'] })).toBe(true);
    expect(originAllowed({ ...facts, origin: 'https://panel.example', allowed: ['panel.example'] })).toBe(true);
    expect(originAllowed({ ...facts, origin: 'http://panel.example', allowed: ['https://panel.example'] })).toBe(false);
  });
});

it('chooses binary first', () => {
  expect([subprotocolOf([]), subprotocolOf(['binary']), subprotocolOf(['base64', 'binary']), subprotocolOf(['base64']), subprotocolOf(['chat'])]).toEqual([undefined, 'binary', 'binary', 'base64', undefined]);
});
