import { readFile } from 'node:fs/promises';

/** What identifies this boot of the host: the kernel's id, and when PID 1 began, for hosts that are namespaces. */
export async function readBootId(): Promise<string> {
  const kernel = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const init = await readFile('/proc/1/stat', 'utf8');
  const started = init.slice(init.lastIndexOf(')') + 2).split(' ')[19] ?? '0';
  return `${kernel}-${started}`;
}
