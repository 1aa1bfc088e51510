import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { RevocationRow } from '#libs/contracts';
import { TOKEN_LIMITS } from './limits.js';
import { RevocationList } from './revocation-list.js';
import type { TokenClaims } from './token.js';

const NONE = { auditId: null, auditChainId: null, userId: null, projectId: null, domainId: null, roleId: null, applicationCredentialId: null };
const row = (over: Partial<RevocationRow>): RevocationRow => ({ ...NONE, xid: '100', id: '1', issuedBefore: 1_000, expiresAt: 9_000, ...over });
const claims = (over: Partial<TokenClaims> = {}): Omit<TokenClaims, 'issuer'> => ({
  auditId: 'a', parentAuditId: null, issuedAt: 900, expiresAt: 5_000, methods: ['password'],
  user: { id: 'u', name: 'u', domain: { id: 'home', name: 'home' }, passwordExpiresAt: null },
  project: { id: 'p', name: 'p', domain: { id: 'work', name: 'work' } }, roles: [{ id: 'r', name: 'member' }], ...over,
});
const listOf = (...rows: RevocationRow[]): RevocationList => {
  const list = new RevocationList();
  for (const one of rows) list.add(one);
  return list;
};

describe('a revocation concerns', () => {
  it.each<[string, Partial<RevocationRow>, Partial<TokenClaims>, boolean]>([
    ['the token of that audit id', { auditId: 'a' }, {}, true],
    ['no other token', { auditId: 'b' }, {}, false],
    ['no token that was made from it', { auditId: 'a' }, { auditId: 'x', parentAuditId: 'a' }, false],
    ['a whole chain', { auditChainId: 'a' }, { auditId: 'x', parentAuditId: 'a' }, true],
    ['the chain\'s first', { auditChainId: 'a' }, {}, true],
    ['a user', { userId: 'u' }, {}, true],
    ['a user in a project', { userId: 'u', projectId: 'p' }, {}, true],
    ['not the user in another project', { userId: 'u', projectId: 'q' }, {}, false],
    ['not the user\'s unscoped token, when it is about a project', { userId: 'u', projectId: 'p' }, { project: null }, false],
    ['not another user in the project', { userId: 'v', projectId: 'p' }, {}, false],
    ['a project', { projectId: 'p' }, {}, true],
    ['a role', { roleId: 'r' }, {}, true],
    ['not another role', { roleId: 's' }, {}, false],
    ['a user\'s role in a project', { userId: 'u', projectId: 'p', roleId: 'r' }, {}, true],
    ['the domain of the user', { domainId: 'home' }, { project: null }, true],
    ['the domain of the project', { domainId: 'work' }, {}, true],
    ['the domain that the token is for', { domainId: 'd' }, { project: null, scopeDomain: { id: 'd', name: 'd' } }, true],
    ['no other domain', { domainId: 'd' }, {}, false],
    ['an application credential', { applicationCredentialId: 'c' }, { applicationCredential: { id: 'c', name: 'c', restricted: true, ruled: false } }, true],
    ['not the user beside it', { applicationCredentialId: 'c' }, {}, false],
    ['nobody, when it names nothing', {}, {}, false],
  ])('%s', (_, over, about, revoked) => {
    expect(listOf(row(over)).revokes(claims(about))).toBe(revoked);
  });
});

describe('a token', () => {
  it('of just after is good, of just before is not', () => {
    const list = listOf(row({ userId: 'u' }));
    expect([999.999999, 1_000, 1_000.000001].map((issuedAt) => list.revokes(claims({ issuedAt })))).toEqual([true, true, false]);
  });

  it('made while the change was under way is revoked, whatever the clock says', () => {
    const list = listOf(row({ userId: 'u', xid: '100' }));
    const at = (snapshot: string): boolean => list.revokes(claims({ issuedAt: 2_000, snapshot }));
    expect([at('90:100:'), at('90:200:100'), at('90:200:99,100,101'), at('100:100:')]).toEqual([true, true, true, true]);
    expect([at('101:101:'), at('90:200:99,101'), at('90:101:')]).toEqual([false, false, false]);
  });

  it('is good after the second of two changes only', () => {
    const list = listOf(row({ userId: 'u', xid: '100', issuedBefore: 1_000 }), row({ userId: 'u', xid: '90', issuedBefore: 1_500 }));
    expect(list.size).toBe(1);
    expect([1_400, 1_500, 1_501].map((issuedAt) => list.revokes(claims({ issuedAt })))).toEqual([true, true, false]);
  });

  it('is judged as a slow and obvious reference would', () => {
    const id = fc.constantFrom('1', '2');
    const maybe = fc.option(id);
    const revocation = fc.record({ userId: maybe, projectId: maybe, domainId: maybe, roleId: maybe, auditId: maybe, auditChainId: maybe, applicationCredentialId: maybe, issuedBefore: fc.integer({ min: 0, max: 5 }), xid: fc.integer({ min: 1, max: 9 }) });
    const token = fc.record({ auditId: id, parentAuditId: maybe, user: id, home: id, project: maybe, work: id, scope: maybe, roles: fc.uniqueArray(id), credential: maybe, issuedAt: fc.integer({ min: 0, max: 5 }), seen: fc.integer({ min: 0, max: 10 }) });
    fc.assert(fc.property(fc.array(revocation, { maxLength: 6 }), token, (revocations, t) => {
      const list = listOf(...revocations.map((one, n) => row({ ...one, xid: String(one.xid), id: String(n) })));
      const scopeDomain = t.project === null ? t.scope : null;
      const said = claims({
        auditId: t.auditId, parentAuditId: t.parentAuditId, issuedAt: t.issuedAt, user: { id: t.user, name: '', domain: { id: t.home, name: '' }, passwordExpiresAt: null },
        project: t.project === null ? null : { id: t.project, name: '', domain: { id: t.work, name: '' } }, roles: t.roles.map((role) => ({ id: role, name: role })),
        ...(scopeDomain !== null && { scopeDomain: { id: scopeDomain, name: '' } }), snapshot: `${t.seen}:${t.seen}:`,
        ...(t.credential !== null && { applicationCredential: { id: t.credential, name: '', restricted: true, ruled: false } }),
      });
      const expected = revocations.some((one) => {
        const columns = [one.auditId, one.auditChainId, one.userId, one.projectId, one.roleId, one.domainId, one.applicationCredentialId];
        if (columns.every((column) => column === null)) return false;
        const has: string[][] = [[t.auditId], [t.parentAuditId ?? t.auditId], [t.user], t.project === null ? [] : [t.project], t.roles,
          [t.home, ...(t.project === null ? [] : [t.work]), ...(scopeDomain === null ? [] : [scopeDomain])], t.credential === null ? [] : [t.credential]];
        return columns.every((column, n) => column === null || has[n]?.includes(column)) && (t.issuedAt <= one.issuedBefore || one.xid >= t.seen);
      });
      expect(list.revokes(said)).toBe(expected);
    }), { numRuns: 1_000 });
  });
});

describe('the list', () => {
  it('says when there is something new, and not when it hears the same again', () => {
    const list = listOf(row({ userId: 'u' }));
    const { version } = list;
    list.add(row({ userId: 'u' }));
    expect(list.version).toBe(version);
    list.add(row({ userId: 'u', xid: '101', issuedBefore: 1_001 }));
    expect(list.version).toBe(version + 1);
  });

  it('forgets what no living token is concerned by', () => {
    const list = listOf(row({ userId: 'u', expiresAt: 1_000 }), row({ userId: 'v', expiresAt: 2_000 }));
    list.prune(1_000 + TOKEN_LIMITS.clockSkewS);
    expect(list.size).toBe(2);
    list.prune(1_001 + TOKEN_LIMITS.clockSkewS);
    expect(list.size).toBe(1);
    expect([list.revokes(claims()), list.revokes(claims({ user: { id: 'v', name: 'v', domain: { id: 'home', name: '' }, passwordExpiresAt: null } }))]).toEqual([false, true]);
  });

  it('keeps single tokens of a user no longer than until all of theirs have ended, but for the latest', () => {
    const single = (auditId: string, issuedBefore: number, userId = 'u'): RevocationRow => row({ userId, auditId, issuedBefore });
    const list = listOf(single('a', 900), single('b', 910), single('c', 995), single('d', 900, 'v'), row({ userId: 'u', projectId: 'p', issuedBefore: 900 }));
    expect([list.size, list.revokes(claims()), list.revokes(claims({ auditId: 'x', project: null }))]).toEqual([5, true, false]);
    list.add(row({ userId: 'u', issuedBefore: 1_000 }));
    expect([list.size, list.revokes(claims()), list.revokes(claims({ auditId: 'x', project: null }))]).toEqual([4, true, true]);
  });

  it('that grows beyond all bounds refuses every token of before', () => {
    const list = new RevocationList(100);
    for (let n = 0; n <= 100; n += 1) list.add(row({ userId: `u${n}`, issuedBefore: 1_000 }));
    expect(list.size).toBe(0);
    expect([list.revokes(claims({ issuedAt: 1_000 })), list.revokes(claims({ issuedAt: 1_001 }))]).toEqual([true, false]);
  });
});
