/** docs/devices.md promises every word by which the cloud refuses, warns and explains devices: it keeps the promise as the code grows. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { DeviceState, Sanitizer } from '#libs/contracts';
import { ERRNO_TABLE, explainErrno } from '#libs/pci';

const root = resolve(import.meta.dirname, '../..');
const file = join(root, 'docs/devices.md');
const [BEGIN, END] = ['<!-- written by `npm run generate` -->\n', '<!-- end -->\n'];
const codes = (path: string, pattern: RegExp): string[] => [...new Set([...readFileSync(join(root, path), 'utf8').matchAll(pattern)].map(([, code]) => code!))];

const WRITES: Readonly<Record<string, string>> = { numvfs: 'number of VFs', autoprobe: 'autoprobe', override: 'driver override', unbind: 'unbind', bind: 'bind by name', probe: 'probe', reset: 'reset', vf: 'settings of a VF', link: 'link up' };
/** Those that mean the same with every write. */
const ANY = ['ENODEV', 'ENOENT', 'EACCES', 'EPERM', 'EROFS', 'EBUSY', 'EINVAL'] as const;

describe('docs/devices.md', () => {
  it("tells what each of the kernel's answers means and what cures it", () => {
    const rows = [...ERRNO_TABLE.map(({ op, errno, sentence, cure }) => [WRITES[op] ?? op, errno, sentence, cure]), ...ANY.map((errno) => ['any other', errno, ...meaning(errno)])];
    const table = `| write | errno | what it means | cure |\n|---|---|---|---|\n${rows.map((row) => `| ${row.join(' | ')} |`).join('\n')}\n`;
    const text = readFileSync(file, 'utf8');
    const [before, rest = ''] = text.split(BEGIN);
    const [, after = ''] = rest.split(END);
    const wanted = `${before}${BEGIN}${table}${END}${after}`;
    if (process.env.SKYLITE_GENERATE === '1') writeFileSync(file, wanted);
    expect(wanted).toBe(readFileSync(file, 'utf8'));
  });

  it.each([
    ['refusals and warnings of definitions', codes('apps/scheduler/src/devices/decide/plan.ts', /#(?:refuse|warn)\('([a-z-]+)'/g)],
    ['conditions', codes('apps/compute-agent/src/devices/decide/seen.ts', /code: '([a-z-]+)'/g)],
    ['states', [...DeviceState.options]], ['sanitizers', [...Sanitizer.options]],
  ])('tells all %s', (_what, words) => {
    const text = readFileSync(file, 'utf8');
    expect(words.length).toBeGreaterThan(2);
    expect(words.filter((word) => !text.includes(`\`${word}\``))).toEqual([]);
  });
});

/** With a write whose own row does not speak of it. */
function meaning(errno: string): [sentence: string, cure: string] {
  const op = ERRNO_TABLE.map((row) => row.op).find((one) => !ERRNO_TABLE.some((row) => row.op === one && row.errno === errno))!;
  const { sentence, cure } = explainErrno(op, errno);
  return [sentence, cure];
}
