/**
 * What is wrong with an input, in the words OpenStack's services use for it. Pure. Never quotes a value that may be a
 * secret, and never more of any value than a line.
 */
import type { z } from 'zod';
import { LIMITS } from './limits.js';
import type { Service } from './services.js';

export interface InputProblem {
  /** From the body's root; empty: the body itself. */
  path: readonly (string | number)[];
  /** What stands there, quoted as the services quote (None, True, 'text'); secrets are blanked. */
  quoted: string;
  /** JSON schema's words: `1 is not of type 'string'`. */
  problem: string;
}

type Issue = z.core.$ZodIssue;

const SECRET = /pass|secret|token|private|credential|seed/i;
const TYPES: Record<string, string> = { int: 'integer', record: 'object', map: 'object', set: 'array', tuple: 'array', nan: 'number', date: 'string' };

/** A value as Python prints it, which is how clients' users know it. */
export function quote(value: unknown): string {
  const text = print(value, 0);
  return text.length > LIMITS.quotedChars + 3 ? `${text.slice(0, LIMITS.quotedChars)}…` : text;
}

function print(value: unknown, depth: number): string {
  if (value === null || value === undefined) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value === 'string') return value.length > LIMITS.quotedChars ? `'${value.slice(0, LIMITS.quotedChars)}…'` : `'${value}'`;
  if (typeof value !== 'object') return String(value);
  if (depth > 2) return Array.isArray(value) ? '[…]' : '{…}';
  if (Array.isArray(value)) return `[${value.slice(0, 10).map((item) => print(item, depth + 1)).join(', ')}]`;
  return `{${Object.entries(value).slice(0, 10).map(([key, item]) => `'${key}': ${SECRET.test(key) ? '***' : print(item, depth + 1)}`).join(', ')}}`;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined), input);
}

const plainPath = (path: readonly PropertyKey[]): (string | number)[] => path.map((key) => (typeof key === 'symbol' ? String(key) : key));

/** Zod's issues as problems; a union is reported by the branch that got furthest. */
export function problemsOf(issues: readonly Issue[], input: unknown): InputProblem[] {
  return issues.slice(0, LIMITS.problems).map((issue) => problemOf(issue, input, []));
}

function problemOf(issue: Issue, input: unknown, base: readonly PropertyKey[]): InputProblem {
  const path = [...base, ...issue.path];
  if (issue.code === 'invalid_union') {
    const branches = issue.errors.filter((branch) => branch.length > 0);
    const deepest = branches.toSorted((a, b) => depthOf(b) - depthOf(a))[0]?.[0];
    if (deepest !== undefined && deepest.path.length > 0) return problemOf(deepest, input, path);
  }
  const value = valueAt(input, path);
  if (issue.code === 'invalid_type' && value === undefined && path.length > 0) {
    const parent = path.slice(0, -1);
    return { path: plainPath(parent), quoted: shown(parent, valueAt(input, parent)), problem: `'${String(path.at(-1))}' is a required property` };
  }
  const quoted = shown(path, value);
  return { path: plainPath(path), quoted, problem: wordsFor(issue, quoted) };
}

const depthOf = (branch: readonly Issue[]): number => Math.max(...branch.map((issue) => issue.path.length));
const shown = (path: readonly PropertyKey[], value: unknown): string => (path.some((key) => SECRET.test(String(key))) ? '***' : quote(value));

function wordsFor(issue: Issue, quoted: string): string {
  switch (issue.code) {
    case 'invalid_type':
      return `${quoted} is not of type '${TYPES[issue.expected] ?? issue.expected}'`;
    case 'too_big':
      return issue.origin === 'number' || issue.origin === 'int' || issue.origin === 'bigint'
        ? `${quoted} is greater than the maximum of ${String(issue.maximum)}` : `${quoted} is too long (at most ${String(issue.maximum)})`;
    case 'too_small':
      return issue.origin === 'number' || issue.origin === 'int' || issue.origin === 'bigint'
        ? `${quoted} is less than the minimum of ${String(issue.minimum)}` : `${quoted} is too short (at least ${String(issue.minimum)})`;
    case 'invalid_format':
      return issue.format === 'regex' ? `${quoted} does not match '${String(issue.pattern ?? '').replace(/^\/|\/[a-z]*$/g, '')}'` : `${quoted} is not a '${issue.format}'`;
    case 'unrecognized_keys':
      return `Additional properties are not allowed (${issue.keys.map((key) => `'${key}'`).join(', ')} ${issue.keys.length === 1 ? 'was' : 'were'} unexpected)`;
    case 'invalid_value':
      return `${quoted} is not one of [${issue.values.map((value) => quote(value)).join(', ')}]`;
    case 'invalid_union':
      return `${quoted} is not valid under any of the given schemas`;
    case 'not_multiple_of':
      return `${quoted} is not a multiple of ${String(issue.divisor)}`;
    default:
      return issue.message;
  }
}

/** Nova names the last field only; what stands in a list is named with its list. */
function fieldName(path: InputProblem['path']): string {
  let from = path.length - 1;
  while (from > 0 && typeof path[from] === 'number') from -= 1;
  return path.slice(from).join('.');
}

/** The message of the first problem in the service's words; Skylite's own /v1 tells all of them. */
export function inputMessage(service: Service, problems: readonly InputProblem[]): string {
  const first = problems[0];
  if (first === undefined) return 'The input is not valid.';
  switch (service) {
    case 'compute':
    case 'volume':
      return first.path.length === 0 ? first.problem : `Invalid input for field/attribute ${fieldName(first.path)}. Value: ${first.quoted}. ${first.problem}`;
    case 'identity':
    case 'image':
    case 'network':
    case 'placement':
      return first.path.length === 0 ? first.problem : `Invalid input for field '${first.path.join('/')}': ${first.problem}`;
    case 'own':
      return problems.map(({ path, problem }) => (path.length === 0 ? problem : `${path.join('.')}: ${problem}`)).join('; ');
  }
}
