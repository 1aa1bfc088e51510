import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { judgeFile, type FileFacts, type OwnerFacts } from './judge-file.js';

const UPLOAD = 'u1';
const incoming: FileFacts = { uploadId: UPLOAD, location: undefined, ageMs: 0 };
const complete: FileFacts = { uploadId: UPLOAD, location: 'ab/i.u1', ageMs: 0 };
const old = { ...complete, ageMs: 1000 };

describe('judgeFile', () => {
  it.each<[string, FileFacts, OwnerFacts | undefined, string]>([
    ['arriving now', incoming, { status: 'saving', location: null, uploadId: UPLOAD }, 'keep'],
    ['complete, its row not yet', old, { status: 'saving', location: null, uploadId: UPLOAD }, 'keep'],
    ['active', old, { status: 'active', location: 'ab/i.u1', uploadId: null }, 'keep'],
    ['an upload that was given up', incoming, { status: 'queued', location: null, uploadId: null }, 'remove'],
    ['an upload that was taken over', incoming, { status: 'saving', location: null, uploadId: 'u2' }, 'remove'],
    ['an upload for no image', incoming, undefined, 'remove'],
    ['deleted', complete, { status: 'deleted', location: 'ab/i.u1', uploadId: null }, 'remove'],
    ['complete, then the process died', complete, { status: 'queued', location: null, uploadId: null }, 'keep'],
    ['that, a while ago', old, { status: 'queued', location: null, uploadId: null }, 'remove'],
    ['another upload became active', old, { status: 'active', location: 'ab/i.u2', uploadId: null }, 'remove'],
    ['of an image nobody has heard of', old, undefined, 'unknown'],
  ])('%s', (_title, file, owner, expected) => {
    expect(judgeFile(file, owner, 1000)).toBe(expected);
  });

  it('never removes what an active image stands on, nor a complete file of an unknown image', () => {
    const owner = fc.option(fc.record({ status: fc.constantFrom('queued', 'saving', 'active', 'deleted'), location: fc.constantFrom(null, 'ab/i.u1', 'ab/i.u2'), uploadId: fc.constantFrom(null, 'u1', 'u2') }), { nil: undefined });
    fc.assert(fc.property(owner, fc.nat(), (row, ageMs) => {
      const verdict = judgeFile({ ...complete, ageMs }, row, 1000);
      if (row === undefined || (row.status === 'active' && row.location === complete.location)) expect(verdict).not.toBe('remove');
    }));
  });
});
