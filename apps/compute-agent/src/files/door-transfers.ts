import { DISK_BYTES_HEADER, DISK_TRANSFER_PATH } from '#libs/contracts';
import { StepError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { DIGEST_BYTES, type DiskTransfers, type IncomingDisk } from './receive-disk.js';

/**
 * Disks of other hosts, through the cloud's door: the same address that images come from.
 * A source that is away, busy or not ready yet is nobody's fault here: it is waited for, for ever if need be.
 */
export const doorTransfers = (urlOf: (imageId: string) => Promise<{ url: string }>, idleMs: number = LIMITS.downloadIdleMs): DiskTransfers => ({
  async open({ transferId, key, imageId, offset, signal }): Promise<IncomingDisk> {
    const url = new URL(`${DISK_TRANSFER_PATH}${transferId}`, (await urlOf(imageId)).url);
    const idle = new AbortController();
    let timer = setTimeout(() => idle.abort(), idleMs);
    const away = (error: unknown): Error => {
      clearTimeout(timer);
      if (signal.aborted) return signal.reason as Error;
      if (error instanceof StepError) return error;
      const why = idle.signal.aborted ? `no byte came for ${idleMs} ms` : error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
      return new StepError('disk-source-away', `The disk cannot be fetched from the host that has it: ${why}. It is tried again.`, 'free', { cause: error });
    };
    try {
      const response = await fetch(url, {
        headers: { authorization: `Bearer ${key}`, range: `bytes=${offset}-` }, redirect: 'error', signal: AbortSignal.any([signal, idle.signal]),
      });
      const sizeBytes = Number(response.headers.get(DISK_BYTES_HEADER) ?? NaN);
      if (!response.ok || !response.body) throw refused(response.status, await wordsOf(response));
      if (!Number.isSafeInteger(sizeBytes)) throw new StepError('disk-transfer', 'The door did not say how large the disk is.', 'counted');
      const body = response.body;
      return {
        sizeBytes,
        chunks: (async function* () {
          let left = sizeBytes - offset + DIGEST_BYTES;
          try {
            for await (const chunk of body) {
              clearTimeout(timer);
              timer = setTimeout(() => idle.abort(), idleMs);
              left -= chunk.length;
              yield chunk;
            }
            if (left > 0) throw new Error('the transfer ended early');
          } catch (error) {
            throw away(error);
          } finally {
            clearTimeout(timer);
          }
        })(),
      };
    } catch (error) {
      throw away(error);
    }
  },
});

/** Not there yet, busy, too many at once: waited for. What speaks against this transfer itself is counted. */
export function refused(status: number, words: string): StepError {
  const isAway = status >= 500 || status === 409 || status === 429;
  if (status === 400 || status === 416) return new StepError('disk-range', `The disk cannot be had from where it was left off (${status}): ${words} It is fetched again.`, 'counted');
  return isAway ? new StepError('disk-source-away', `The host that has the disk does not send it yet: ${words} It is tried again.`, 'free')
    : new StepError('disk-transfer', `The transfer of the disk was refused (${status}): ${words}`, 'counted');
}

async function wordsOf(response: Response): Promise<string> {
  const text = await response.text().catch(() => '');
  try {
    const said = (JSON.parse(text) as { error?: { message?: unknown } }).error?.message;
    return typeof said === 'string' ? said : `it answered ${response.status}.`;
  } catch {
    return `it answered ${response.status}.`;
  }
}
