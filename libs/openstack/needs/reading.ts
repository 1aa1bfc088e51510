/**
 * One reading of a flavor with an image: what each says under one name, and what is wrong. All that is wrong is collected, for a
 * flavor may be written spec by spec: what a later word can still cure counts only when a server is made of it. Pure.
 */
import type { Flavor } from '#libs/contracts';

/** What of a flavor is read. */
export type FlavorShape = Pick<Flavor, 'vcpus' | 'ramMib' | 'diskGib' | 'extraSpecs'>;
/** An image's properties by name. */
export type ImageProperties = Readonly<Record<string, string>>;

export interface Problem {
  /** Nova's words, then what to do. */
  readonly text: string;
  /** Another extra spec, or an image, can still make it right. */
  readonly open: boolean;
}

export class Reading {
  readonly problems: Problem[] = [];

  constructor(readonly flavor: FlavorShape, readonly image: ImageProperties) {}

  /** Of `hw:KEY`; what is empty is not said. */
  ofFlavor(key: string): string | undefined {
    return this.flavor.extraSpecs[`hw:${key}`] || undefined;
  }

  /** Of `hw_KEY`. */
  ofImage(key: string): string | undefined {
    return this.image[`hw_${key}`] || undefined;
  }

  wrong(words: string, cure: string, { open = false }: { open?: boolean } = {}): undefined {
    this.problems.push({ text: `${words.replace(/\.$/, '')}. What to do: ${cure}.`, open });
    return undefined;
  }
}

/** Nova's idea of yes. */
export const isYes = (text: string | undefined): boolean => /^(?:1|t|true|on|y|yes)$/i.test(text?.trim() ?? '');

/** A whole number of at least `min`, or undefined. */
export function wholeNumber(text: string, min: number): number | undefined {
  if (!/^\s*\+?\d+(?:_\d+)*\s*$/.test(text)) return undefined;
  const number = Number(text.replaceAll('_', ''));
  return number >= min && Number.isSafeInteger(number) ? number : undefined;
}

/** As Python writes a tuple of words: Nova's refusals name what there is so. */
export const tuple = (words: readonly string[]): string => `(${words.map((word) => `'${word}'`).join(', ')})`;
