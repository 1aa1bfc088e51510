import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { guests } from './doctor.js';

it('says that libvirt-guests acts on guests behind the cloud\'s back, and the cure', () => {
  const root = mkdtempSync(join(tmpdir(), 'doctor-'));
  expect(guests(root)).toEqual([{ part: 'libvirt-guests', ok: true, detail: 'not enabled' }]);
  mkdirSync(join(root, 'etc/systemd/system/multi-user.target.wants'), { recursive: true });
  writeFileSync(join(root, 'etc/systemd/system/multi-user.target.wants/libvirt-guests.service'), '');
  expect(guests(root)).toEqual([{ part: 'libvirt-guests', ok: false, detail: expect.stringContaining('is enabled'), cure: expect.stringContaining('systemctl disable libvirt-guests') }]);
  rmSync(root, { recursive: true });
});
