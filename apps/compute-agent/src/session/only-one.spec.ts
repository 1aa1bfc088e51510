import { describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { HostId } from '#libs/contracts';
import { holdAlone } from './only-one.js';

describe('one agent a host', () => {
  it('holds its name until it ends, and another waits a while for that', async () => {
    const [host, other] = [HostId.parse(randomUUID()), HostId.parse(randomUUID())];
    const letGo = await holdAlone(host, 0);
    (await holdAlone(other, 0))();
    await expect(holdAlone(host, 0)).rejects.toThrow('another agent of this host');
    const waiting = holdAlone(host, 5_000);
    letGo();
    (await waiting)();
  });
});
