// The parts of the image builders that can be tried without building: archive, lock, recipe hash, and the guest's readers.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withFileLock } from './lib/file-lock.mjs';
import { recipeHash } from './lib/image-cache.mjs';
import { InitramfsTree } from './lib/initramfs.mjs';

const GUEST = join(import.meta.dirname, 'skylite-tiny/guest/lib/tiny');
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sky-images-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('initramfs', () => {
  const tree = () => new InitramfsTree().file('bin/tool', 'abc', 0o755).link('init', '/bin/tool').directory('proc');

  it('holds every entry, parents first, owned by root and without times', () => {
    const entries = membersOf(tree().toCpio());
    expect(entries.map(({ name, mode }) => `${mode.toString(8)} ${name}`)).toEqual(['40755 bin', '100755 bin/tool', '120777 init', '40755 proc', '0 TRAILER!!!']);
    expect(entries.every(({ uid, gid, time }) => uid + gid + time === 0)).toBe(true);
    expect(entries[1]?.data).toBe('abc');
    expect(entries[2]?.data).toBe('/bin/tool');
  });

  it('has the same bytes whatever the order of putting it together', () => {
    const other = new InitramfsTree().directory('proc').link('init', '/bin/tool').file('bin/tool', 'abc', 0o755);
    expect(other.toCpio().equals(tree().toCpio())).toBe(true);
  });
});

describe('recipe hash', () => {
  it('changes with a file of the recipe, not with its documentation', async () => {
    const recipe = join(folder, 'recipe');
    cpSync(join(import.meta.dirname, 'probe-guest'), recipe, { recursive: true });
    const first = await recipeHash(recipe);
    writeFileSync(join(recipe, 'README.md'), 'words');
    expect(await recipeHash(recipe)).toBe(first);
    writeFileSync(join(recipe, 'init'), `${readFileSync(join(recipe, 'init'), 'utf8')}\n`);
    expect(await recipeHash(recipe)).not.toBe(first);
  });
});

describe('file lock', () => {
  it('lets one in at a time, and the next one after a failure', async () => {
    const path = join(folder, 'lock');
    const seen: string[] = [];
    const job = (name: string) => () =>
      withFileLock(path, async () => {
        seen.push(`${name} in`);
        await new Promise((resolve) => setTimeout(resolve, 30));
        seen.push(`${name} out`);
        if (name === 'a') throw new Error('a failed');
      });
    const results = await Promise.allSettled([job('a')(), job('b')()]);
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect([seen[0]?.at(0), seen[2]?.at(0)].sort()).toEqual(['a', 'b']);
    expect(seen.map((line) => line.split(' ')[1])).toEqual(['in', 'out', 'in', 'out']);
  });
});

describe("the guest's metadata reader", () => {
  // The very lines of settings.sh, run by the machine's own shell and awk.
  const flatten = (json: string): string[] => {
    writeFileSync(join(folder, 'meta_data.json'), json);
    const line = /^ {2}grep -oE (?<pattern>'.*') "/m.exec(readFileSync(join(GUEST, 'settings.sh'), 'utf8'))?.groups?.pattern as string;
    return execFileSync('sh', ['-c', `grep -oE ${line} "$1" | awk -f "$2"`, 'sh', join(folder, 'meta_data.json'), join(GUEST, 'json.awk')])
      .toString()
      .trim()
      .split('\n');
  };

  it('names every scalar by its path', () => {
    expect(flatten('{"uuid":"u-1", "launch_index": 0,"meta":{"a b":"x"},"keys":[{"name":"k"},{"name":"l"}],"none":null,"e":{},"l":[]}')).toEqual([
      'uuid\tu-1', 'launch_index\t0', 'meta\ta b\tx', 'keys\t0\tname\tk', 'keys\t1\tname\tl', 'none\tnull',
    ]);
  });

  it('is not led astray by quotes, braces and colons inside strings', () => {
    const tricky = { hostname: 'web', note: 'a "quoted" {brace}: [list], /slash\\', after: 'still here', public_keys: { k: 'ssh-rsa AAAA me\n' } };
    expect(flatten(JSON.stringify(tricky, null, 2))).toEqual([
      'hostname\tweb', 'note\ta "quoted" {brace}: [list], /slash\\\\', 'after\tstill here', 'public_keys\tk\tssh-rsa AAAA me\\n',
    ]);
  });
});

describe("the guest's cloud-config reader", () => {
  const read = (text: string): string[] =>
    execFileSync('awk', ['-f', join(GUEST, 'cloud-config.awk')], { input: text }).toString().trim().split('\n');

  it('understands names, keys and commands, and says what it skips', () => {
    const config = '#cloud-config\nhostname: "web"\n# words\npackages:\n  - vim\nruncmd:\n  - echo one: two\n  - [ echo, "a b", c ]\n- - x\nssh_authorized_keys:\n  - ssh-rsa AAAA me\nusers: [default]\n';
    expect(read(config)).toEqual([
      'known\thostname', 'hostname\tweb', 'skipped\tpackages', 'known\truncmd', 'run\techo one: two', "run\t'echo' 'a b' 'c'", 'run\t- x',
      'known\tssh_authorized_keys', 'key\tssh-rsa AAAA me', 'skipped\tusers',
    ]);
  });
});

interface Member { name: string; mode: number; uid: number; gid: number; time: number; data: string }

function membersOf(archive: Buffer): Member[] {
  const found: Member[] = [];
  const aligned = (offset: number): number => Math.ceil(offset / 4) * 4;
  for (let at = 0; at < archive.length; ) {
    const field = (index: number): number => parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    const dataAt = aligned(at + 110 + field(11));
    const name = archive.toString('utf8', at + 110, at + 109 + field(11));
    found.push({ name, mode: field(1), uid: field(2), gid: field(3), time: field(5), data: archive.toString('utf8', dataAt, dataAt + field(6)) });
    at = aligned(dataAt + field(6));
  }
  return found;
}
