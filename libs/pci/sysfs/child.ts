import { spawn, type ChildProcess } from 'node:child_process';
import { PCI_LIMITS } from './limits.js';

export interface ChildRun {
  readonly argv: readonly [string, ...string[]];
  readonly stdin?: string;
  readonly deadlineMs: number;
  /** Called with its pid as soon as it runs. */
  readonly started?: (pid: number) => void;
}

export type ChildEnd =
  | { readonly kind: 'exit'; readonly code: number | null; readonly stdout: Buffer; readonly stderr: string }
  /** It was killed, and may be alive all the same, if the kernel does not let it go. What it had said by then may end anywhere. */
  | { readonly kind: 'late'; readonly pid: number; readonly stdout: Buffer; readonly ended: Promise<void> };

export type RunChild = (run: ChildRun) => Promise<ChildEnd>;

/**
 * Runs a program that may never come back: whatever happens to it, no thread of this process waits for the kernel. Messages are in C's
 * language, as errnos are read from them.
 */
export const runChild: RunChild = async (run) => {
  const [command, ...args] = run.argv;
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' } });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  let bytes = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= PCI_LIMITS.outputBytes) out.push(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => { if (err.length < 64) err.push(chunk); });
  // A child that ends without reading breaks the pipe; its exit code says the rest.
  child.stdin.on('error', () => undefined);
  const ended = new Promise<ChildEnd>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => { resolve({ kind: 'exit', code, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString('utf8').trim() }); });
  });
  if (child.pid !== undefined) run.started?.(child.pid);
  child.stdin.end(run.stdin ?? '');
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<ChildEnd>((resolve) => {
    timer = setTimeout(() => { resolve({ kind: 'late', pid: child.pid ?? 0, stdout: Buffer.concat(out), ended: ended.then(() => undefined, () => undefined) }); }, run.deadlineMs);
  });
  try {
    const end = await Promise.race([ended, late]);
    if (end.kind === 'late') leave(child);
    return end;
  } finally {
    clearTimeout(timer);
  }
};

/** It dies as soon as the kernel lets it; this process does not wait for it, nor does its end. */
function leave(child: ChildProcess): void {
  child.kill('SIGKILL');
  child.unref();
  for (const stream of child.stdio) (stream as unknown as { unref?: () => void } | null)?.unref?.();
}

/** What the C library calls the errnos that the kernel's PCI and network code answers with. */
const TEXTS: readonly (readonly [string, string])[] = [
  ['Operation not permitted', 'EPERM'], ['No such file or directory', 'ENOENT'], ['Input/output error', 'EIO'], ['No such device or address', 'ENXIO'], ['No such device', 'ENODEV'],
  ['Resource temporarily unavailable', 'EAGAIN'], ['Cannot allocate memory', 'ENOMEM'], ['Permission denied', 'EACCES'], ['Device or resource busy', 'EBUSY'], ['File exists', 'EEXIST'],
  ['Invalid argument', 'EINVAL'], ['Inappropriate ioctl for device', 'ENOTTY'], ['No space left on device', 'ENOSPC'], ['Read-only file system', 'EROFS'],
  ['Numerical result out of range', 'ERANGE'], ['Function not implemented', 'ENOSYS'], ['Protocol not supported', 'EPROTONOSUPPORT'], ['Operation not supported', 'EOPNOTSUPP'],
  ['Connection timed out', 'ETIMEDOUT'], ['Value too large for defined data type', 'EOVERFLOW'], ['Interrupted system call', 'EINTR'], ['Network is down', 'ENETDOWN'],
  ['Cannot find device', 'ENODEV'], ['argument "', 'EINVAL'], ['Error: Invalid', 'EINVAL'],
];

/** @returns the errno that a program's message tells of; null: none known */
export function errnoOf(text: string): string | null {
  return TEXTS.find(([words]) => text.includes(words))?.[1] ?? null;
}
