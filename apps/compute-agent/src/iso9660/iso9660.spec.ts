import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { writeIso } from './iso9660.js';
import { SECTOR } from './layout.js';

const CONFIG = {
  'openstack/latest/meta_data.json': '{"uuid":"0c1d2e3f-4a5b-4c6d-8e7f-001122334455","name":"größe"}',
  'openstack/latest/user_data': '#!/bin/sh\necho hello\n',
  'openstack/latest/vendor_data2.json': '{}',
  'openstack/content/0000': 'x'.repeat(5000),
  'ec2/latest/meta-data.json': '',
};

/** Reads the image back by one of its trees: what a mounting kernel does, in forty lines. */
function readBack(image: Uint8Array, tree: 'rock-ridge' | 'joliet'): Record<string, string> {
  const buffer = Buffer.from(image);
  const descriptor = (tree === 'joliet' ? 17 : 16) * SECTOR;
  const files: Record<string, string> = {};
  const nameOf = (at: number): string => {
    const length = buffer[at + 32]!;
    if (tree === 'joliet') return Buffer.from(buffer.subarray(at + 33, at + 33 + length)).swap16().toString('utf16le');
    for (let field = at + 33 + length + (length % 2 === 0 ? 1 : 0); field + 4 <= at + buffer[at]!; field += buffer[field + 2]!) {
      if (buffer.toString('latin1', field, field + 2) === 'NM') return buffer.toString('utf8', field + 5, field + buffer[field + 2]!);
    }
    throw new Error('no NM field');
  };
  const walk = (extent: number, bytes: number, prefix: string): void => {
    for (let at = extent * SECTOR; at < extent * SECTOR + bytes;) {
      const length = buffer[at]!;
      if (length === 0) {
        at = (Math.floor(at / SECTOR) + 1) * SECTOR;
        continue;
      }
      const special = buffer[at + 32] === 1 && buffer[at + 33]! <= 1;
      if (!special) {
        const [start, size] = [buffer.readUInt32LE(at + 2), buffer.readUInt32LE(at + 10)];
        expect(buffer.readUInt32BE(at + 6)).toBe(start);
        if (buffer[at + 25]! & 2) walk(start, size, `${prefix}${nameOf(at)}/`);
        else files[prefix + nameOf(at)] = buffer.toString('utf8', start * SECTOR, start * SECTOR + size);
      }
      at += length;
    }
  };
  walk(buffer.readUInt32LE(descriptor + 156 + 2), buffer.readUInt32LE(descriptor + 156 + 10), '');
  return files;
}

describe('writeIso', () => {
  it('gives both trees every file', () => {
    const image = writeIso('config-2', CONFIG);
    expect(readBack(image, 'rock-ridge')).toEqual(CONFIG);
    expect(readBack(image, 'joliet')).toEqual(CONFIG);
    expect(Buffer.from(image.subarray(16 * SECTOR + 40, 16 * SECTOR + 48)).toString()).toBe('config-2');
    expect(image.length % SECTOR).toBe(0);
  });

  it('is the same image for the same files: golden', () => {
    expect(createHash('sha256').update(writeIso('config-2', CONFIG)).digest('hex')).toMatchInlineSnapshot(`"a8ad4ae58e6e4e8383be9f93272eefd4de18ba7e76a82297750daf1e14d5b3ca"`);
  });

  it('survives many files of any names, beyond one sector a folder', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._+@=-]{0,63}$/);
    fc.assert(fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 80, selector: (text) => text }), fc.string(), (names, text) => {
      const files = Object.fromEntries(names.map((each, index) => [index % 3 === 0 ? `a-folder.d/deeper/${each}` : `top/${each}`, text + index]));
      const image = writeIso('config-2', files);
      expect(readBack(image, 'rock-ridge')).toEqual(Object.fromEntries(Object.entries(files).map(([path, content]) => [path, Buffer.from(content).toString()])));
      expect(readBack(image, 'joliet')).toEqual(Object.fromEntries(Object.entries(files).map(([path, content]) => [path, Buffer.from(content).toString()])));
    }), { numRuns: 50 });
  });

  it('refuses what cannot be a name', () => {
    for (const path of ['', '/', 'a//b', '../x', 'a/..', 'a b', 'ä', `${'x'.repeat(65)}`, 'a/b/c/d/e/f/g/h/i']) {
      expect(() => writeIso('config-2', { [path]: '' })).toThrow(/not usable/);
    }
    expect(() => writeIso('config-2', { a: '', 'a/b': '' })).toThrow(/is a file/);
  });

  (existsSync('/usr/bin/isoinfo') ? it : it.skip)('is read alike by isoinfo', () => {
    const folder = mkdtempSync(join(tmpdir(), 'iso-'));
    try {
      const path = join(folder, 'config.iso');
      writeFileSync(path, writeIso('config-2', CONFIG));
      for (const flag of ['-R', '-J']) {
        const listed = execFileSync('isoinfo', [flag, '-f', '-i', path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
        expect(listed).toContain('/openstack/latest/meta_data.json');
        expect(execFileSync('isoinfo', [flag, '-x', '/openstack/latest/user_data', '-i', path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })).toBe(CONFIG['openstack/latest/user_data']);
      }
      expect(execFileSync('isoinfo', ['-d', '-i', path], { encoding: 'utf8' })).toMatch(/Volume id: config-2[\s\S]*Joliet[\s\S]*Rock Ridge/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
