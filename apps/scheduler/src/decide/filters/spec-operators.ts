/**
 * Does a value meet what an extra spec demands? Nova's operators (nova/scheduler/filters/extra_specs_ops.py): a demand
 * that begins with none of them is met by the very same text. "=" means at least, as it always did there. Pure.
 */
type Compare = (value: string, words: readonly string[]) => boolean;

/** null: not a number; such a demand is met by nothing. */
const number = (text: string): number | null => (/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text) ? Number(text) : null);
const numbers = (compare: (a: number, b: number) => boolean): Compare => (value, [word]) => {
  const a = number(value);
  const b = number(word!);
  return a !== null && b !== null && compare(a, b);
};
const texts = (compare: (a: string, b: string) => boolean): Compare => (value, [word]) => compare(value, word!);

const OPERATORS: ReadonlyMap<string, Compare> = new Map([
  ['=', numbers((a, b) => a >= b)],
  ['==', numbers((a, b) => a === b)],
  ['!=', numbers((a, b) => a !== b)],
  ['>=', numbers((a, b) => a >= b)],
  ['<=', numbers((a, b) => a <= b)],
  ['s==', texts((a, b) => a === b)],
  ['s!=', texts((a, b) => a !== b)],
  ['s<', texts((a, b) => a < b)],
  ['s<=', texts((a, b) => a <= b)],
  ['s>', texts((a, b) => a > b)],
  ['s>=', texts((a, b) => a >= b)],
  ['<in>', texts((a, b) => a.includes(b))],
  ['<all-in>', (value, words) => words.every((word) => value.includes(word))],
  // "<or> a <or> b": every second word is the operator again.
  ['<or>', (value, words) => words.some((word, at) => at % 2 === 0 && word === value)],
]);

export function meets(value: string, demand: string): boolean {
  const [operator, ...words] = demand.trim().split(/\s+/);
  const compare = OPERATORS.get(operator!);
  if (compare === undefined) return value === demand;
  return words.length > 0 && compare(value, words);
}
