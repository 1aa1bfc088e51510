#!/usr/bin/env node
/**
 * pack.mjs COMMIT: builds that commit and keeps what runs of it as previous-landing.tar.gz, against which
 * test/e2e/compat.spec.ts runs today's agent and today's control plane. To be called for the last landing before a new one.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { node24, root } from '../../deploy/one-machine/machine.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const commit = process.argv[2];
if (commit === undefined) throw new Error('usage: pack.mjs COMMIT');
const dir = mkdtempSync(join(tmpdir(), 'skylite-pack-'));
try {
  const archive = join(dir, 'tree.tar');
  execFileSync('git', ['-C', root, 'archive', '-o', archive, commit]);
  execFileSync('tar', ['xf', archive, '-C', dir]);
  symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'));
  execFileSync(node24(), ['deploy/build/build.mjs'], { cwd: dir, stdio: 'inherit' });
  writeFileSync(join(dir, 'COMMIT'), `${execFileSync('git', ['-C', root, 'rev-parse', commit], { encoding: 'utf8' }).trim()}\n`);
  execFileSync('tar', ['czf', join(here, 'previous-landing.tar.gz'), '--owner=0', '--group=0', '--sort=name', '--exclude=*.map', '--exclude=*.spec.js', '-C', dir, 'COMMIT', 'dist', 'package.json', 'prisma', 'deploy']);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
