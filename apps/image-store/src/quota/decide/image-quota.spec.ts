import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { imageLimitsOf, MIB, mibOf, reservation, whyNotOneMore, whyNotUpload } from './image-quota.js';

const none = { sizeMib: -1, stageMib: -1, count: -1, uploading: -1 };

describe('images\' quota', () => {
  it('is read by unified limits\' names; what nobody limits has no limit', () => {
    expect(imageLimitsOf({ image_size_total: 1, image_stage_total: 2, image_count_total: 3, image_count_uploading: 4, bricks: 5 })).toEqual({ sizeMib: 1, stageMib: 2, count: 3, uploading: 4 });
    expect(imageLimitsOf({})).toEqual(none);
  });

  it('says which limit, how much is used and how much was asked for', () => {
    expect(whyNotOneMore({ ...none, count: 2 }, { count: 2 })).toBe('Resource image_count_total is over limit of 2 due to current usage 2 and delta 1');
    expect(whyNotOneMore({ ...none, count: 3 }, { count: 2 })).toBeUndefined();
    expect(whyNotOneMore(none, { count: 1e9 })).toBeUndefined();
    expect(whyNotUpload({ ...none, uploading: 1 }, { count: 0, bytes: 0, uploading: 1 }, 1)).toBe('Resource image_count_uploading is over limit of 1 due to current usage 1 and delta 1');
    expect(whyNotUpload({ ...none, sizeMib: 2 }, { count: 0, bytes: MIB, uploading: 9 }, MIB)).toBeUndefined();
    expect(whyNotUpload({ ...none, sizeMib: 2 }, { count: 0, bytes: MIB, uploading: 9 }, MIB + 1)).toBe('Resource image_size_total is over limit of 2 due to current usage 1 and delta 2');
    expect([0, 1, MIB, MIB + 1].map(mibOf)).toEqual([0, 1, 1, 2]);
  });

  it('never reserves beyond the limit, gives what is needed where there is room, and refuses only where there is none', () => {
    fc.assert(fc.property(fc.integer({ min: -1, max: 2_000 }), fc.integer({ min: 0, max: 3_000 * MIB }), fc.integer({ min: 0, max: 1_000 * MIB }), fc.integer({ min: 0, max: 64 * MIB }), (sizeMib, used, needed, ahead) => {
      const { bytes, refused } = reservation({ sizeMib }, { bytes: used }, needed, ahead);
      const fits = sizeMib < 0 || needed === 0 || used + needed <= sizeMib * MIB;
      expect(refused === undefined).toBe(fits);
      if (!fits) return;
      expect(bytes).toBeGreaterThanOrEqual(needed);
      expect(bytes).toBeLessThanOrEqual(needed + ahead);
      if (sizeMib >= 0 && bytes > 0 && needed > 0) expect(used + bytes).toBeLessThanOrEqual(sizeMib * MIB);
    }));
  });

  it('reserves ahead where there is plenty, and not where the limit is near', () => {
    expect(reservation({ sizeMib: 2_000 }, { bytes: 0 }, MIB, 64 * MIB).bytes).toBe(65 * MIB);
    expect(reservation({ sizeMib: 1_000 }, { bytes: 0 }, MIB, 64 * MIB).bytes).toBe(MIB);
  });
});
