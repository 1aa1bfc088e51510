import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { auditDetail } from './audit-detail.js';
import { AUDIT_LIMITS } from './limits.js';

describe('the detail of a record', () => {
  it('has no secret, at any depth', () => {
    const detail = auditDetail({
      password: 'hunter2', original_password: 'x1', adminPass: 'x2', secret: 'x3', blob: { access: 'x4' }, user_data: 'x5', token: ['x6'], private_key: 'x7',
      user: { name: 'demo', password: 'x8', list: [{ userData: 'x9' }] }, 'X-Subject-Token': 'x10', secret_hash: 'x11',
    });
    expect(JSON.stringify(detail)).not.toMatch(/hunter2|x\d/);
    expect(detail).toMatchObject({ password: '***', user: { name: 'demo', password: '***' } });
  });

  it('keeps what only sounds like one', () => {
    const detail = { password_expires_at: null, must_change_password: true, token_id: 'abc', keypair: 'laptop', monkey: 'x', applicationCredentialId: 'c1', password_changed_at: '2026' };
    expect(auditDetail(detail)).toEqual(detail);
  });

  it('is bounded and storable, whatever it was', () => {
    expect(auditDetail({ text: 'a'.repeat(10_000), nul: 'a\u0000b', half: '\ud800' })).toEqual({ text: `${'a'.repeat(AUDIT_LIMITS.detailTextChars - 1)}…`, nul: 'ab', half: '\ufffd' });
    expect(auditDetail(Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`k${i}`, 'a'.repeat(200)])))).toMatchObject({ omitted: 'too long' });
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    expect(JSON.stringify(auditDetail(loop))).toContain('…');
    expect(auditDetail({ big: 2n ** 60n, nan: NaN, at: new Date(0), f: () => 1, gone: undefined })).toEqual({ big: '1152921504606846976', nan: 'NaN', at: '1970-01-01T00:00:00.000Z', f: null });
    fc.assert(fc.property(fc.dictionary(fc.string(), fc.anything()), (some) => {
      expect(JSON.stringify(auditDetail(some)).length).toBeLessThanOrEqual(AUDIT_LIMITS.detailChars);
    }), { numRuns: 200 });
  });
});
