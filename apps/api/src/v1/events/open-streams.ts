import { Injectable } from '@nestjs/common';
import { SkyError, unavailable } from '#libs/errors';
import { LIMITS } from '../../limits.js';

/** How many streams are open: of each project, and of this process. */
@Injectable()
export class OpenStreams {
  readonly #of = new Map<string, number>();
  #all = 0;

  /** Gives what is to be called when it has ended. @throws SkyError `too-many-requests`, `unavailable` */
  open(projectId: string): () => void {
    const mine = this.#of.get(projectId) ?? 0;
    if (mine >= LIMITS.streamsPerProject) throw new SkyError('too-many-requests', `This project has ${mine} event streams open, which is the most it may have.`, { retryAfterS: 30 });
    if (this.#all >= LIMITS.streams) throw unavailable('There are as many event streams as this service can have; try again.', { retryAfterS: 5 });
    this.#of.set(projectId, mine + 1);
    this.#all += 1;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#all -= 1;
      const left = (this.#of.get(projectId) ?? 1) - 1;
      if (left === 0) this.#of.delete(projectId);
      else this.#of.set(projectId, left);
    };
  }
}
