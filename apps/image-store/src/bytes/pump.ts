import type { FileHandle } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { LIMITS } from '../limits.js';

/**
 * Writes bytes `start` to `end` (inclusive) of a file into an answer. Two buffers take turns for the whole of it, one being read while the other is sent:
 * fresh memory for each part would have the garbage collector run as long as the download does. Never reads ahead of a slow client.
 * Closes the file. Rejects when the client goes away or the file is shorter than it should be.
 */
export async function pump(file: FileHandle, start: number, end: number, answer: Writable): Promise<void> {
  try {
    let buffers: [Buffer, Buffer] = [Buffer.allocUnsafeSlow(LIMITS.readBytes), Buffer.allocUnsafeSlow(LIMITS.readBytes)];
    let sent: Promise<void> = Promise.resolve();
    for (let at = start; at <= end;) {
      const [buffer, other] = buffers;
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - at + 1), at);
      if (bytesRead === 0) throw new Error(`the file ends at ${at}; ${end + 1} bytes were expected`);
      await sent;
      sent = write(answer, buffer.subarray(0, bytesRead));
      at += bytesRead;
      buffers = [other, buffer];
    }
    await sent;
    answer.end();
  } finally {
    await file.close();
  }
}

/** Resolves when the bytes have left, so that their memory is free. */
function write(answer: Writable, bytes: Buffer): Promise<void> {
  const written = new Promise<void>((resolve, reject) => {
    const onClose = (): void => reject(new ClientGone());
    if (answer.destroyed) return onClose();
    answer.once('close', onClose);
    answer.write(bytes, (error) => {
      answer.off('close', onClose);
      if (error) reject(new ClientGone());
      else resolve();
    });
  });
  // Awaited a turn later: until then a rejection has an owner here.
  written.catch(() => undefined);
  return written;
}

/** The client broke off its download, which is its right. */
export class ClientGone extends Error {}
