import { execFile } from 'node:child_process';
import { createReadStream, existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import type { ApiClient } from '../client.js';
import { repository } from './home.js';
import { interruptSignal, oneLine, UpError } from './progress.js';

const run = promisify(execFile);
const IMAGE_NAME = 'skylite-tiny';

/** Builds the seeded image (or finds it built) and says where it is. */
export async function buildTinyImage(cacheDir: string, path: string): Promise<string> {
  try {
    const { stdout } = await run(process.execPath, [join(repository, 'deploy/images/skylite-tiny/build.mjs')], { signal: interruptSignal, timeout: 600_000, maxBuffer: 2 ** 24, env: { PATH: path, SKYLITE_CACHE: cacheDir } });
    const file = stdout.trim().split('\n').at(-1) ?? '';
    if (!existsSync(file)) throw new Error(`no image at ${file}`);
    return file;
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new UpError(`the image ${IMAGE_NAME} could not be built: ${lastLine(stderr) ?? String(error)}`, 'Mend what it names (usually apt or disk space), then run up again.');
  }
}

export interface VirtProbe { type: 'kvm' | 'qemu'; evidence: string; tookMs: number; kvmReason: string | null }

/** Really boots a tiny guest once. */
export async function probeVirtType(cacheDir: string, path: string): Promise<VirtProbe> {
  try {
    const { stdout } = await run(process.execPath, [join(repository, 'deploy/host/virt-probe.mjs')], { signal: interruptSignal, timeout: 300_000, env: { PATH: path, SKYLITE_CACHE: cacheDir } });
    const found = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { virtType: 'kvm' | 'qemu'; evidence: string; tookMs: number; kvmReason?: string | null };
    return { type: found.virtType, evidence: found.evidence, tookMs: found.tookMs, kvmReason: found.kvmReason ?? null };
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new UpError(`no guest boots on this machine: ${oneLine((lastLine(stderr) ?? String(error)).replace(/^error: (no guest boots here: )?/, '').replace(/ — .*$/, ''))}.`, 'Run qemu-system-x86_64 by hand to see why.');
  }
}

/** Uploads the seeded image through the image API, like any user's image, unless an active one is there. */
export async function ensureImage(api: ApiClient, file: string): Promise<'there' | 'uploaded'> {
  const { images } = await api.call<{ images: { id: string; status: string }[] }>('GET', `/image/v2/images?name=${IMAGE_NAME}&visibility=public`);
  if (images.some((image) => image.status === 'active')) return 'there';
  // An upload that was cut off left a queued image: it is used again.
  const queued = images.find((image) => image.status === 'queued');
  const image = queued ?? await api.call<{ id: string }>('POST', '/image/v2/images', {
    name: IMAGE_NAME, disk_format: 'qcow2', container_format: 'bare', visibility: 'public', min_ram: 96, min_disk: 1, os_distro: 'debian', hw_qemu_guest_agent: 'yes',
  });
  const { size } = await stat(file);
  const response = await api.raw('PUT', `/image/v2/images/${image.id}/file`, Readable.toWeb(createReadStream(file)) as ReadableStream, { 'content-type': 'application/octet-stream', 'content-length': String(size) }, 120_000);
  if (!response.ok) throw new UpError(`the image ${IMAGE_NAME} could not be uploaded: ${response.status} ${(await response.text()).slice(0, 300)}`, 'Look into the launcher log, then run up again.');
  return 'uploaded';
}

export const lastLine = (text: string | undefined): string | undefined => text?.trim().split('\n').filter(Boolean).at(-1);
