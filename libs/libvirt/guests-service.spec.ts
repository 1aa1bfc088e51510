import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { guestsService, guestsServiceText } from './guests-service.js';

let root: string;
beforeEach(() => { root = mkdtempSync(join(tmpdir(), 'guests-service-')); });
afterEach(() => { rmSync(root, { recursive: true }); });
const put = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};
const link = (path: string, to: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  symlinkSync(to, join(root, path));
};

describe('libvirt-guests.service', () => {
  it('is not there, or there and not enabled, or masked', () => {
    expect(guestsService(root)).toBeNull();
    put('etc/systemd/system/multi-user.target.wants/libvirtd.service', '');
    put('etc/default/libvirt-guests', 'ON_BOOT=start\n');
    expect(guestsService(root)).toBeNull();
    link('etc/systemd/system/multi-user.target.wants/libvirt-guests.service', '/lib/systemd/system/libvirt-guests.service');
    link('etc/systemd/system/libvirt-guests.service', '/dev/null');
    expect(guestsService(root)).toBeNull();
  });

  it('is enabled, and does what the machine says, else its script, else what libvirt says', () => {
    link('etc/systemd/system/multi-user.target.wants/libvirt-guests.service', '/lib/systemd/system/libvirt-guests.service');
    expect(guestsService(root)).toEqual({ atShutdown: 'suspend', startsAtBoot: true });
    put('usr/lib/libvirt/libvirt-guests.sh', 'URIS="default"\nON_BOOT="ignore"\nON_SHUTDOWN="shutdown"\n');
    put('etc/default/libvirt-guests', '#ON_BOOT=start\n#ON_SHUTDOWN=suspend\n');
    expect(guestsService(root)).toEqual({ atShutdown: 'shutdown', startsAtBoot: false });
    put('etc/default/libvirt-guests', '  ON_BOOT=start\nON_SHUTDOWN=\'suspend\'\n');
    expect(guestsService(root)).toEqual({ atShutdown: 'suspend', startsAtBoot: true });
  });

  it('says what it does and what to do', () => {
    expect(guestsServiceText({ atShutdown: 'suspend', startsAtBoot: true })).toEqual({
      detail: expect.stringMatching(/saves the memory.*at boot it starts them/), cure: expect.stringMatching(/^systemctl disable libvirt-guests, and ON_BOOT=ignore.*without --now/),
    });
    expect(guestsServiceText({ atShutdown: 'shutdown', startsAtBoot: false })).toEqual({ detail: expect.stringContaining('stay off'), cure: expect.not.stringContaining('ON_BOOT') });
  });
});
