import { StepError } from '../errors.js';

export interface Bytes {
  /** Where the bytes begin: as asked, or 0 when the server starts over. */
  readonly offset: number;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/**
 * Gets a URL's bytes from `offset` on, broken off when none come for `idleMs`.
 * Unreachable servers are nobody's fault (`free`); what a server says is counted.
 */
export async function fetchBytes(url: string, options: { offset: number; signal: AbortSignal; idleMs: number }): Promise<Bytes> {
  const idle = new AbortController();
  let timer = setTimeout(() => idle.abort(), options.idleMs);
  const lives = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => idle.abort(), options.idleMs);
  };
  const failed = (error: unknown): Error => {
    clearTimeout(timer);
    if (options.signal.aborted) return options.signal.reason as Error;
    if (error instanceof StepError) return error;
    if (idle.signal.aborted) return new StepError('image-unreachable', `No byte of the image came for ${options.idleMs} ms.`, 'free');
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    return new StepError('image-unreachable', `The image cannot be downloaded: ${cause}.`, 'free', { cause: error });
  };
  try {
    const response = await fetch(url, {
      headers: options.offset > 0 ? { range: `bytes=${options.offset}-` } : {}, redirect: 'error', signal: AbortSignal.any([options.signal, idle.signal]),
    });
    if (!response.ok || !response.body) {
      await response.body?.cancel();
      // 5xx is the store's trouble of the moment; 4xx is said about this image, this link or this part of it.
      throw new StepError('image-download', `The image store answered ${response.status}.`, response.status >= 500 ? 'free' : 'counted');
    }
    const body = response.body;
    const resumed = response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${options.offset}-`);
    if (response.status === 206 && !resumed) throw new StepError('image-download', 'The image store answered with another part than was asked for.', 'counted');
    return {
      offset: resumed ? options.offset : 0,
      chunks: (async function* () {
        try {
          for await (const chunk of body) {
            lives();
            yield chunk;
          }
        } catch (error) {
          throw failed(error);
        } finally {
          clearTimeout(timer);
        }
      })(),
    };
  } catch (error) {
    throw failed(error);
  }
}
