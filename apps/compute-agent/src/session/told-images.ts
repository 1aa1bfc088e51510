/**
 * What beats say of this host's base images: all of them when they have changed since, and now and then. Owns what was said;
 * a crash says it again.
 */
import { imageMark } from '#libs/contracts';
import type { Limits } from '../limits.js';

export class ToldImages {
  #marks: string[] | null = null;
  #said = '';
  #beats = 0;

  /** @param list checksums of those that are here; null: nobody knows */
  constructor(private readonly list: () => Promise<string[] | null>, private readonly limits: Pick<Limits, 'imagesEveryBeats' | 'toldImages'>) {}

  /** Never fails: what cannot be looked at now stays as it was said. */
  async look(): Promise<void> {
    const images = await this.list().catch(() => null);
    if (images !== null) this.#marks = images.slice(0, this.limits.toldImages).map(imageMark);
  }

  /** For the beat that goes out now; null: nothing. */
  toSay(): string[] | null {
    if (this.#marks === null) return null;
    const text = this.#marks.join();
    this.#beats += 1;
    if (text === this.#said && this.#beats < this.limits.imagesEveryBeats) return null;
    [this.#said, this.#beats] = [text, 0];
    return this.#marks;
  }
}
