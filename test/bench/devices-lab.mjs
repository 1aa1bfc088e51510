// Devices on a real kernel and libvirt: the lab's case `figures`, which prints them. Only when asked for: it builds and starts the lab.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { root } from './cloud.mjs';

/** @returns what the case measured; its checks go to standard error @throws when one of them failed */
export async function devicesLab() {
  const lab = spawn(process.execPath, [join(root, 'test/lab/run.mjs'), 'figures'], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((done, failed) => { lab.once('error', failed).once('close', done); });
  let figures;
  for await (const line of createInterface({ input: lab.stdout })) {
    if (line.startsWith('{')) figures = JSON.parse(line);
    else process.stderr.write(`${line}\n`);
  }
  const code = await ended;
  if (code !== 0 || figures === undefined) throw new Error(`the lab's case ended with exit code ${code}${figures ? ` and ${JSON.stringify(figures)}` : ''}`);
  return figures;
}
