/**
 * The distribution's unmodified openstack client in a process that stays (openstack-client.py): a command costs a tenth of a
 * second instead of one. One process for each test file, begun with the first command; it ends with us, for its input ends.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

interface Answer { id: number; code: number; stdout: string; stderr: string }

let client: { child: ChildProcessByStdio<Writable, Readable, Readable>; waiting: Map<number, (answer: Answer) => void> } | undefined;
let last = 0;

function begin(): NonNullable<typeof client> {
  const child = spawn('/usr/bin/python3', [join(import.meta.dirname, 'openstack-client.py')], { env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent', LANG: 'C.UTF-8' }, stdio: ['pipe', 'pipe', 'pipe'] });
  const waiting = new Map<number, (answer: Answer) => void>();
  let errors = '';
  child.stderr.on('data', (data: Buffer) => { errors = (errors + data.toString()).slice(-4_000); });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = JSON.parse(line) as Answer;
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  child.on('error', (error) => { errors = String(error); });
  child.on('close', () => {
    client = undefined;
    for (const [id, done] of waiting) done({ id, code: 127, stdout: '', stderr: `the client ended: ${errors}` });
  });
  child.stdin.on('error', () => undefined);
  // Jest must not wait for it.
  child.unref();
  for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as unknown as { unref(): void }).unref();
  return { child, waiting };
}

/** One command: its exit code and what it said. A command that takes longer than `timeoutMs` is killed (code -9). */
export function runOpenstack(words: readonly string[], env: Record<string, string>, timeoutMs: number): Promise<{ code: number; stdout: string; stderr: string }> {
  const { child, waiting } = client ??= begin();
  const id = last += 1;
  return new Promise((done) => {
    // Holds the test's process while it waits, as a child of its own would.
    const alive = setInterval(() => undefined, 60_000);
    waiting.set(id, (answer) => { clearInterval(alive); done(answer); });
    child.stdin.write(`${JSON.stringify({ id, words, env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent', LANG: 'C.UTF-8', ...env }, timeout: timeoutMs / 1000 })}\n`);
  });
}
