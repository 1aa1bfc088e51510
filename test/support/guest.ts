/** Commands inside a running guest of the shared cloud, by its guest agent: what the guest itself sees. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { home, libvirtUri } from './cloud.js';

const run = promisify(execFile);

/** One command of the guest agent on this host's own libvirt; throws what virsh says. */
async function ask(hostName: string, id: string, command: object, dir: string): Promise<unknown> {
  const { stdout } = await run('virsh', ['-c', libvirtUri(hostName, dir), 'qemu-agent-command', '--timeout', '60', id, JSON.stringify(command)], { timeout: 120_000 });
  return (JSON.parse(stdout) as { return: unknown }).return;
}

/** Runs a shell line in the guest and gives its output, trimmed; throws when it does not end with 0 within 20 s. */
export async function inGuest(hostName: string, id: string, line: string, dir = home): Promise<string> {
  const { pid } = (await ask(hostName, id, { execute: 'guest-exec', arguments: { path: '/bin/sh', arg: ['-c', line], 'capture-output': true } }, dir)) as { pid: number };
  for (let tries = 0; tries < 100; tries += 1) {
    const status = (await ask(hostName, id, { execute: 'guest-exec-status', arguments: { pid } }, dir)) as { exited: boolean; exitcode?: number; 'out-data'?: string; 'err-data'?: string };
    const text = (data: string | undefined): string => Buffer.from(data ?? '', 'base64').toString('utf8').trim();
    if (status.exited) {
      if (status.exitcode !== 0) throw new Error(`in the guest: ${line}: ${text(status['err-data'])}`);
      return text(status['out-data']);
    }
    await new Promise((done) => setTimeout(done, 200));
  }
  throw new Error(`in the guest: ${line}: no end within 20 s`);
}
