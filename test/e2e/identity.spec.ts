/**
 * Identity as the distribution's clients see it: every command of test/conformance/identity with its expected result, in order, with
 * the unmodified openstack client; and openstacksdk by a script.
 */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import type { Command, ConformanceTable } from '../conformance/command.js';
import { credentials, home, root } from '../support/cloud.js';
import { runOpenstack } from '../support/openstack-client.js';

const folder = join(root, 'test/conformance/identity');
const tables = await Promise.all(readdirSync(folder).filter((file) => file.endsWith('.ts')).sort().map(async (file) => (await import(join(folder, file)) as { table: ConformanceTable }).table));

/** Does `found` have what is wanted? Of objects these members, of lists these entries. */
function has(found: unknown, wanted: unknown): boolean {
  if (wanted instanceof RegExp) return wanted.test(typeof found === 'string' ? found : JSON.stringify(found));
  if (Array.isArray(wanted)) return Array.isArray(found) && wanted.every((entry) => found.some((one) => has(one, entry)));
  if (typeof wanted === 'object' && wanted !== null) {
    return typeof found === 'object' && found !== null && Object.entries(wanted).every(([key, value]) => has((found as Record<string, unknown>)[key], value));
  }
  return found === wanted;
}

async function run(command: Command, kept: Record<string, string>): Promise<void> {
  const filled = (text: string): string => text.replace(/\{(\w+)\}/g, (whole, name: string) => kept[name] ?? whole);
  const fill = (wanted: unknown): unknown => {
    if (typeof wanted === 'string') return filled(wanted);
    if (wanted instanceof RegExp || typeof wanted !== 'object' || wanted === null) return wanted;
    return Array.isArray(wanted) ? wanted.map(fill) : Object.fromEntries(Object.entries(wanted).map(([key, value]) => [filled(key), fill(value)]));
  };
  const asJson = command.json !== undefined || command.without !== undefined || command.keep !== undefined;
  const words = [...command.words.map(filled), ...(asJson ? ['-f', 'json'] : [])];
  const env: Record<string, string> = credentials(home, 'openrc');
  for (const [name, value] of Object.entries(command.env ?? {})) {
    if (value === null) delete env[name];
    else env[name] = filled(value);
  }
  // A domain is named one way.
  for (const side of ['USER', 'PROJECT']) if (typeof command.env?.[`OS_${side}_DOMAIN_NAME`] === 'string') delete env[`OS_${side}_DOMAIN_ID`];
  if (env.OS_PROJECT_NAME === undefined) delete env.OS_PROJECT_DOMAIN_ID;
  const { code, stdout, stderr } = await runOpenstack(words, env, 180_000);
  const said = `openstack ${words.join(' ')}\nexit code ${code}\n${stdout}${stderr}`;
  if (command.fails !== undefined) {
    if (code === 0 || !command.fails.test(`${stdout}${stderr}`)) throw new Error(`should have failed with ${String(command.fails)}: ${said}`);
    return;
  }
  if (code !== 0) throw new Error(said);
  if (command.text !== undefined && !command.text.test(stdout)) throw new Error(`should have said ${String(command.text)}: ${said}`);
  if (!asJson) return;
  const found = JSON.parse(stdout) as unknown;
  if (command.json !== undefined && !has(found, fill(command.json))) throw new Error(`should have had ${JSON.stringify(command.json, (_key, value: unknown) => (value instanceof RegExp ? String(value) : value))}: ${said}`);
  if (command.without !== undefined && has(found, fill(command.without))) throw new Error(`should not have had ${JSON.stringify(command.without)}: ${said}`);
  for (const [name, member] of Object.entries(command.keep ?? {})) kept[name] = String((found as Record<string, unknown>)[member]);
}

describe('identity, with the openstack client', () => {
  it.each(tables.map((table) => [table.name, table] as const))('%s', async (_name, table) => {
    const kept: Record<string, string> = {};
    const failed: string[] = [];
    for (const [at, command] of table.commands.entries()) await run(command, kept).catch((error: unknown) => { failed.push(`${at + 1}. ${String(error)}`); });
    expect(failed.join('\n\n')).toBe('');
  });
});

describe('identity, with openstacksdk', () => {
  it('does all that the script asks', async () => {
    const env = { PATH: '/usr/bin:/bin', HOME: '/nonexistent', LANG: 'C.UTF-8', ...credentials(home, 'openrc') };
    const { stdout } = await promisify(execFile)('/usr/bin/python3', [join(folder, 'sdk.py')], { env, timeout: 300_000 }).catch((error: { stdout?: string; stderr?: string }) => { throw new Error(`${error.stdout ?? ''}${error.stderr ?? ''}`); });
    expect(stdout.trim().split('\n').at(-1)).toBe('done');
  });
});
