import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const root = resolve(import.meta.dirname, '../..');
const { bin } = JSON.parse(readFileSync(join(root, 'node_modules/dependency-cruiser/package.json'), 'utf8')) as { bin: Record<string, string> };
const cruiser = join(root, 'node_modules/dependency-cruiser', bin.depcruise ?? '');

/** Every wall, and a file that would break it. A rule that no file can break is no rule. */
const BREAKS: [rule: string, file: string, content: string][] = [
  ['an-app-never-imports-another', 'apps/api/src/broken.ts', "import '../../compute/src/limits.js';"],
  ['libs-never-import-apps', 'libs/openstack/broken.ts', "import '../../apps/compute/src/limits.js';"],
  ['apps-reach-libs-by-their-index', 'apps/api/src/broken.ts', "import '../../../libs/auth/token.js';"],
  ['libs-by-their-index-only', 'libs/http/broken.ts', "import '../auth/token.js';"],
  ['libs-layer-2-never-looks-up', 'libs/reconcile/broken.ts', "import '#libs/messaging';"],
  ['decide-is-pure', 'apps/scheduler/src/decide/broken.ts', "import 'node:fs';"],
  ['decide-is-pure', 'apps/compute/src/lifecycle/decide/broken.ts', "import '#libs/db';"],
  ['prisma-and-pg-in-repositories-only', 'apps/compute/src/broken.ts', "import 'pg';"],
  ['the-agent-has-no-database', 'apps/compute-agent/src/broken.ts', "import '#libs/db';"],
  ['the-agent-has-no-nest', 'apps/compute-agent/src/broken.ts', "import '@nestjs/common';"],
  ['nats-in-messaging-only', 'apps/api/src/broken.ts', "import '@nats-io/nats-core';"],
  ['the-launcher-imports-modules-only', 'apps/launcher/src/broken.ts', "import '../../compute/src/limits.js';"],
  ['testing-stays-out-of-the-product', 'apps/api/src/broken.ts', "import '#libs/testing';"],
  ['no-cycles', 'libs/errors/broken.ts', "import './broken-too.js';"],
];

describe('which way imports go', () => {
  let copy: string;
  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), 'skylite-imports-'));
    const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', 'apps', 'libs', 'package.json', 'tsconfig.json', '.dependency-cruiser.mjs'], { cwd: root, encoding: 'utf8' }).split('\n').filter(Boolean);
    for (const path of tracked) {
      mkdirSync(dirname(join(copy, path)), { recursive: true });
      cpSync(join(root, path), join(copy, path));
    }
    cpSync(join(root, 'libs/db/generated'), join(copy, 'libs/db/generated'), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    for (const [rule, file, content] of BREAKS) {
      const path = join(copy, file.replace('broken', `broken-${rule}`));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `${content}\n`);
    }
    writeFileSync(join(copy, 'libs/errors/broken-too.ts'), "import './broken-no-cycles.js';\n");
  });
  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  it('is kept: each broken wall is named, and nothing else', () => {
    const { stdout } = spawnSync(process.execPath, [cruiser, '--config', '.dependency-cruiser.mjs', '--output-type', 'json', 'apps', 'libs'], { cwd: copy, encoding: 'utf8', maxBuffer: 2 ** 28 });
    const { summary } = JSON.parse(stdout) as { summary: { violations: { rule: { name: string }; from: string }[] } };
    const found = new Set(summary.violations.filter((violation) => violation.from.includes('broken')).map((violation) => violation.rule.name));
    for (const [rule] of BREAKS) expect(found).toContain(rule);
    expect(summary.violations.filter((violation) => !violation.from.includes('broken')).map((violation) => `${violation.rule.name}: ${violation.from}`)).toEqual([]);
  }, 600_000);
});
