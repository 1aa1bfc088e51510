import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openedGroups } from './opened.js';

const dir = mkdtempSync(join(tmpdir(), 'skylite-opened-'));
afterEach(() => { rmSync(dir, { recursive: true, force: true }); });

describe('groups that a process has open', () => {
  it('are those of the VFIO files among its files, of processes with that word among theirs', async () => {
    const process = (pid: string, words: string[], files: string[]): void => {
      mkdirSync(join(dir, 'proc', pid, 'fd'), { recursive: true });
      writeFileSync(join(dir, 'proc', pid, 'cmdline'), `${words.join('\0')}\0`);
      for (const [at, file] of files.entries()) symlinkSync(file, join(dir, 'proc', pid, 'fd', String(at)));
    };
    for (const [group, address] of [['16', '0000:21:10.0'], ['17', '0000:21:10.2'], ['17', '0000:00:03.0'], ['18', '0000:21:10.4']] as const) mkdirSync(join(dir, 'sys/kernel/iommu_groups', group, 'devices', address), { recursive: true });
    process('100', ['qemu', '-uuid', 'a'], ['/dev/null', '/dev/vfio/vfio', '/dev/vfio/17', '/vfio/16', 'anon_inode:[vfio-device]']);
    process('101', ['qemu', '-uuid', 'ab'], ['/dev/vfio/18']);
    process('102', ['bash'], ['/dev/vfio/18']);
    mkdirSync(join(dir, 'proc/sys'));
    const opened = (word: string): Promise<readonly (readonly string[])[]> => openedGroups(join(dir, 'sys'), join(dir, 'proc'), word);
    expect(await opened('a')).toEqual([['0000:21:10.0'], ['0000:00:03.0', '0000:21:10.2']]);
    expect(await opened('ab')).toEqual([['0000:21:10.4']]);
    expect(await opened('b')).toEqual([]);
  });
});
