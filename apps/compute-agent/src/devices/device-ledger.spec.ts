import { afterEach, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_RECORD, type LastSeen } from './decide/records.js';
import { DeviceLedger } from './device-ledger.js';

const folder = mkdtempSync(join(tmpdir(), 'device-ledger-'));
afterEach(() => { rmSync(folder, { recursive: true, force: true }); });

it('what a device looked like, in words that are not allowed, is forgotten alone: who had which is not', async () => {
  const problems: string[] = [];
  const open = (): Promise<DeviceLedger> => DeviceLedger.open({ folder, durable: false, bootId: 'b', wallMs: () => 1, onProblem: (text) => problems.push(text) });
  const last = { address: '0000:01:00.0', network: { name: 'ib0', permanentMac: '80:00:02:08:fe:80:00:00', link: 'up' } } as LastSeen;
  const dirty = { generation: 7, code: 'x', sentence: 'y' };
  const identities = { bootId: 'b', devices: [], shared: [] };
  const before = await open();
  await before.book([['serial:a', () => ({ ...NO_RECORD, used: 3, holder: 'x', last })], ['serial:b', () => ({ ...NO_RECORD, used: 7, dirty })]]);
  await before.bookIdentities(identities);
  await before.flush();
  const after = await open();
  expect([...after.records]).toEqual([['serial:a', { ...NO_RECORD, used: 3, holder: 'x' }], ['serial:b', { ...NO_RECORD, used: 7, dirty }]]);
  expect([after.identities, problems]).toEqual([identities, []]);
});
