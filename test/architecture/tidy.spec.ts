import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const root = resolve(import.meta.dirname, '../..');
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' }).split('\n').filter(Boolean);
const text = (path: string): string => readFileSync(join(root, path), 'utf8');
const code = files.filter((path) => /\.(ts|mjs|sh)$/.test(path) && !path.includes('/generated/'));
const product = code.filter((path) => path.startsWith('apps/') || path.startsWith('libs/'));
const offenders = (paths: string[], bad: (path: string) => boolean): string[] => paths.filter(bad);

describe('the source tree', () => {
  it('has no file of more than 400 lines', () => {
    expect(offenders(code, (path) => text(path).split('\n').length > 401)).toEqual([]);
  });

  it('opens every reconciler, decide/ file and lib entry with a header that says why', () => {
    const need = product.filter((path) => !path.endsWith('.spec.ts') && (path.includes('/decide/') || path.endsWith('.reconciler.ts') || /^libs\/[^/]+\/index\.ts$/.test(path)));
    expect(offenders(need, (path) => !/^\s*\/\*\*/.test(text(path).replace(/^import [\s\S]*?;\n/gm, '')))).toEqual([]);
  });

  it('keeps constructors at seven parameters', () => {
    const parameters = (source: string): number => Math.max(0, ...[...source.matchAll(/constructor\(([^)]*(?:\([^)]*\)[^)]*)*)\)/g)].map((match) => splitTop(match[1] ?? '').length));
    expect(offenders(product, (path) => parameters(text(path)) > 7)).toEqual([]);
  });

  it('has no empty room', () => {
    const rooms = new Set(files.filter((path) => /^(apps|libs)\//.test(path)).map((path) => path.split('/').slice(0, 2).join('/')));
    for (const room of rooms) expect(files.some((path) => path.startsWith(`${room}/`) && path.endsWith('.ts') && !path.endsWith('.spec.ts'))).toBe(true);
  });

  it('names no machine path and no registry', () => {
    const bad = /(^|[^\w.])\/work\/(main|shared)|resolved": "https?:|registry\.npmjs|127\.0\.0\.1:\d+\/npm/;
    expect(offenders(files.filter((path) => /\.(ts|mjs|sh|md|json|yaml|prisma|sql)$/.test(path) && path !== 'test/architecture/tidy.spec.ts'), (path) => bad.test(text(path)))).toEqual([]);
  });

  it('reads process.env in libs/config alone', () => {
    expect(offenders(product.filter((path) => !path.endsWith('.spec.ts')), (path) => !path.startsWith('libs/config/') && /process\.env/.test(text(path)))).toEqual([]);
  });

  it('keeps notes to ourselves out of the code', () => {
    expect(offenders(code.filter((path) => path !== 'eslint.config.mjs' && !path.startsWith('test/architecture/')), (path) => /\b(TODO|FIXME|XXX|HACK)\b/.test(text(path)))).toEqual([]);
  });
});

/** Splits at commas that stand outside of brackets. */
function splitTop(list: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (const char of list) {
    if ('([{<'.includes(char)) depth += 1;
    else if (')]}>'.includes(char)) depth -= 1;
    if (char === ',' && depth === 0) { parts.push(part); part = ''; } else part += char;
  }
  return [...parts, part].map((one) => one.trim()).filter(Boolean);
}
