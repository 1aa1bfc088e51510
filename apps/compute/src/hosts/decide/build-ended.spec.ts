import { expect, it } from '@jest/globals';
import { buildEndedWith } from './build-ended.js';

const failed = (code: string, final = true): Parameters<typeof buildEndedWith>[1] => ({ step: 'failed', event: { kind: 'error', message: '' }, observed: { error: { code, message: '', attempts: 3, final } } }) as never;

it.each([
  ['a guest that came up', false, { step: 'settled', event: { kind: 'launched', message: '' }, observed: { error: null } } as never, true],
  ['a host that gave up', false, failed('libvirt-start'), false],
  ['an image that no host could use', false, failed('image-format'), null],
  ['an image that was deleted meanwhile', false, failed('image-not-found'), null],
  ['files that fit no config drive', false, failed('config-drive'), null],
  ['a host that tries on', false, failed('libvirt-start', false), null],
  ['a server that had been up', true, failed('libvirt-start'), null],
  ['a report of anything else', false, { step: 'wait-host', event: null, observed: { error: null } } as never, null],
])('%s', (_what, launched, booking, expected) => { expect(buildEndedWith(launched, booking)).toBe(expected); });
