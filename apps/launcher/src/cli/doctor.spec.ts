import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { guests } from './doctor.js';
import { proxyFindings } from './doctor-proxies.js';

it('says that libvirt-guests acts on guests behind the cloud\'s back, and the cure', () => {
  const root = mkdtempSync(join(tmpdir(), 'doctor-'));
  expect(guests(root)).toEqual([{ part: 'libvirt-guests', ok: true, detail: 'not enabled' }]);
  mkdirSync(join(root, 'etc/systemd/system/multi-user.target.wants'), { recursive: true });
  writeFileSync(join(root, 'etc/systemd/system/multi-user.target.wants/libvirt-guests.service'), '');
  expect(guests(root)).toEqual([{ part: 'libvirt-guests', ok: false, detail: expect.stringContaining('is enabled'), cure: expect.stringContaining('systemctl disable libvirt-guests') }]);
  rmSync(root, { recursive: true });
});

it('says what a proxy means for what is bounded per address', () => {
  expect(proxyFindings(undefined)).toEqual([]);
  expect(proxyFindings({ named: [] })).toEqual([{ part: 'proxies', ok: true, detail: 'none was seen, and none is named' }]);
  for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
    expect(proxyFindings({ named: [], unnamed: address })).toEqual([{ part: 'proxies', ok: false, detail: expect.stringContaining('not counted per address'), cure: expect.stringContaining('SKYLITE_TRUSTED_PROXIES=') }]);
  }
  expect(proxyFindings({ named: [], unnamed: '192.0.2.7' })[0]).toMatchObject({ ok: false, detail: expect.stringContaining('as one client'), cure: expect.stringContaining('SKYLITE_TRUSTED_PROXIES=192.0.2.7') });
  for (const named of ['127.0.0.1', 'loopback', '127.0.0.0/8', '::1/128']) expect(proxyFindings({ named: [named] })[0]).toMatchObject({ ok: true, detail: expect.stringContaining('X-Forwarded-For') });
  expect(proxyFindings({ named: ['192.0.2.7'] })[0]).toMatchObject({ ok: true, detail: '192.0.2.7 named' });
});
