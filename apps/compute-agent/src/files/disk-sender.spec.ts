import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DISK_TRANSFER_PATH } from '#libs/contracts';
import { InMemoryBus } from '#libs/messaging';
import { createLogger } from '#libs/observability';
import { HOST_ID, instanceId } from '../testing/builders.js';
import { DiskSender } from './disk-sender.js';

const MIB = 1024 * 1024;
const ID = instanceId();
let door: Server;
let url: string;
/** Ends the next send after so many bytes. */
let cutAfter = Infinity;
let came: (bytes: Buffer) => void = () => undefined;
let folder: string;
let path: string;
const content = randomBytes(8 * MIB);
const digest = createHash('sha512').update(content).digest();
const AT = new Date(1_700_000_000_000);

beforeAll(async () => {
  door = createServer((request, response) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const over = (): void => came(Buffer.concat(chunks));
    request.on('error', () => undefined).on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes < cutAfter) return;
      request.destroy();
      over();
    }).on('end', () => { response.writeHead(204).end(); over(); });
  });
  await new Promise<void>((resolve) => { door.listen(0, '127.0.0.1', resolve); });
  url = `http://127.0.0.1:${(door.address() as AddressInfo).port}`;
});
afterAll(() => { door.close(); });
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sender-'));
  path = join(folder, 'disk.qcow2');
  writeFileSync(path, content);
  utimesSync(path, AT, AT);
  cutAfter = Infinity;
});
afterEach(() => rmSync(folder, { recursive: true }));

function senderOf(resting: () => number | null): DiskSender {
  return new DiskSender({
    hostId: HOST_ID, bus: new InMemoryBus(), ledger: { entries: new Map([[ID, {}]]) } as never, logger: createLogger('test', 'silent'),
    reconciler: { restingDisk: resting }, diskPath: () => path, markBytes: MIB,
  });
}
async function send(sender: DiskSender, offset: number): Promise<Buffer> {
  const transferId = randomUUID();
  const arrived = new Promise<Buffer>((resolve) => { came = resolve; });
  expect(await sender.send({ instanceId: ID, transferId, offset, uploadUrl: `${url}${DISK_TRANSFER_PATH}${transferId}/content`, uploadKey: 'k' } as never)).toEqual({ sizeBytes: content.length });
  return arrived;
}

describe('a disk that is sent', () => {
  it('goes on from anywhere, and its digest is of all of it', async () => {
    const sender = senderOf(() => 1);
    for (const offset of [0, 1, 3 * MIB, content.length - 1, content.length]) expect((await send(sender, offset)).equals(Buffer.concat([content.subarray(offset), digest]))).toBe(true);
  });

  it('is not read from its start again when it goes on', async () => {
    const sender = senderOf(() => 1);
    cutAfter = 6 * MIB;
    await send(sender, 0);
    cutAfter = Infinity;
    // What lies before the last mark is not looked at, so that nothing but time tells it from the same file.
    writeFileSync(path, Buffer.concat([Buffer.alloc(MIB), content.subarray(MIB)]));
    utimesSync(path, AT, AT);
    expect((await send(sender, 5 * MIB)).equals(Buffer.concat([content.subarray(5 * MIB), digest]))).toBe(true);
  });

  it('is read anew when it is another file, or something began to work on it', async () => {
    for (const change of [() => undefined, (sender: DiskSender) => sender.breakOff(ID)]) {
      writeFileSync(path, content);
      utimesSync(path, AT, AT);
      const sender = senderOf(() => 1);
      await send(sender, 0);
      const other = Buffer.concat([Buffer.alloc(MIB), content.subarray(MIB)]);
      writeFileSync(path, other);
      change(sender);
      expect((await send(sender, 5 * MIB)).subarray(-64).equals(createHash('sha512').update(other).digest())).toBe(true);
    }
  });

  it('is not sent when its guest was begun to be worked on while it was looked at', async () => {
    let looks = 0;
    await expect(send(senderOf(() => (looks++ === 0 ? 1 : null)), 0)).rejects.toMatchObject({ kind: 'conflict' });
  });
});
