import { expect, it } from '@jest/globals';
import { auditLines } from './audit-lines.js';

it('breaks off between two pages when the login has ended', async () => {
  const page = { records: [], next: '1', more: true };
  let left = 2;
  const lines = async (): Promise<void> => { for await (const text of auditLines(page, async () => page, () => (left -= 1) > 0)) expect(text).toBe(''); };
  await expect(lines()).rejects.toMatchObject({ kind: 'unauthorized' });
  expect(left).toBe(0);
});
