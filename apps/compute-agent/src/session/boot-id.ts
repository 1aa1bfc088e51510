import { readFile } from 'node:fs/promises';

/** What names this boot of the host; a host that is a set of namespaces shows its own in the kernel's place. */
export const readBootId = async (): Promise<string> => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
