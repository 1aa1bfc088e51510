/**
 * One thread, one hash function, several uploads at once. Slabs are shared memory: nothing is copied. Holds nothing worth
 * keeping; when it dies, its uploads fail and are repeated by their clients.
 */
import { createHash, type Hash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';

const algorithm = (workerData as { algorithm: string }).algorithm;
const hashes = new Map<number, Hash>();

interface Update { upload: number; slab: SharedArrayBuffer; offset: number; length: number }
interface End { upload: number; digest: boolean }

const hashOf = (upload: number): Hash => {
  const known = hashes.get(upload);
  if (known !== undefined) return known;
  const made = createHash(algorithm);
  hashes.set(upload, made);
  return made;
};

parentPort?.on('message', (message: Update | End) => {
  if ('slab' in message) {
    hashOf(message.upload).update(new Uint8Array(message.slab, message.offset, message.length));
    parentPort?.postMessage({ upload: message.upload });
    return;
  }
  const hash = hashOf(message.upload);
  hashes.delete(message.upload);
  if (message.digest) parentPort?.postMessage({ upload: message.upload, digest: hash.digest('hex') });
});
