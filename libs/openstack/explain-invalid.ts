import { pythonRepr, pythonStr, SECRET } from './python-repr.js';

/** What of a zod error is read here: any version of zod's error that has issues of these kinds fits. */
interface Issue {
  readonly code: string;
  readonly path: ReadonlyArray<PropertyKey>;
  readonly message: string;
  readonly expected?: string;
  readonly keys?: readonly string[];
  readonly values?: readonly unknown[];
  readonly minimum?: number | bigint;
  readonly maximum?: number | bigint;
  readonly inclusive?: boolean;
  readonly origin?: string;
  readonly format?: string;
  readonly pattern?: string;
  readonly errors?: ReadonlyArray<readonly Issue[]>;
  readonly issues?: readonly Issue[];
  readonly params?: Readonly<Record<string, unknown>>;
}

/** A body speaks of fields and attributes, a query string of query parameters. */
export type InputKind = 'body' | 'query';

interface Said { readonly path: ReadonlyArray<PropertyKey>; readonly text: string; readonly whole: boolean }

const TYPES: Readonly<Record<string, string>> = { int: 'integer', record: 'object', map: 'object', nan: 'number', undefined: 'null' };
const typeName = (expected: string | undefined): string => `'${TYPES[expected ?? ''] ?? expected ?? 'object'}'`;

const valueAt = (root: unknown, path: ReadonlyArray<PropertyKey>): unknown =>
  path.reduce<unknown>((at, key) => (typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined), root);

const unexpected = (keys: readonly string[]): string =>
  `Additional properties are not allowed (${keys.map((key) => pythonRepr(key)).join(', ')} ${keys.length === 1 ? 'was' : 'were'} unexpected)`;

/** Several forms are allowed: speak of the one whose type fits, or name all types. */
function explainUnion(issue: Issue, path: ReadonlyArray<PropertyKey>, root: unknown): Said {
  const value = valueAt(root, path);
  const options = issue.errors ?? [];
  const wrongType = (option: readonly Issue[]): Issue | undefined => option.find((inner) => inner.code === 'invalid_type' && inner.path.length === 0);
  const fitting = options.filter((option) => wrongType(option) === undefined);
  const closest = fitting[0];
  if (closest !== undefined && fitting.length === 1 && !isOtherKind(closest, value)) return explain(deepestFirst(closest), path, root);
  if (closest !== undefined) {
    const values = fitting.flatMap((option) => option.flatMap((inner) => inner.values ?? []));
    if (values.length > 0 && values.every((each) => typeof each === typeof value)) return { path, text: `${pythonRepr(value)} is not one of ${pythonRepr(values)}`, whole: false };
    return { path, text: `${pythonRepr(value)} is not valid under any of the given schemas`, whole: false };
  }
  const types = [...new Set(options.map((option) => typeName(wrongType(option)?.expected)))];
  return { path, text: `${pythonRepr(value)} is not of type ${types.join(', ')}`, whole: false };
}

/** A word was expected and something else came: then the word list is not what went wrong. */
const isOtherKind = (option: readonly Issue[], value: unknown): boolean => option.some(({ code, path, values = [] }) => code === 'invalid_value' && path.length === 0 && values.every((each) => typeof each !== typeof value));

/** What is wrong nearest to the root says most. */
const deepestFirst = (issues: readonly Issue[]): Issue => issues.reduce((best, issue) => (issue.path.length < best.path.length ? issue : best));

function explain(issue: Issue, prefix: ReadonlyArray<PropertyKey>, root: unknown): Said {
  const path = [...prefix, ...issue.path];
  const value = valueAt(root, path);
  const secret = path.some((key) => SECRET.test(String(key)));
  const shown = secret ? "'***'" : pythonRepr(value);
  const say = (text: string): Said => ({ path, text, whole: false });
  if (value === undefined && path.length > 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_union' || issue.code === 'invalid_value')) {
    return { path: path.slice(0, -1), text: `${pythonRepr(String(path.at(-1)))} is a required property`, whole: false };
  }
  switch (issue.code) {
    case 'invalid_type': return say(`${shown} is not of type ${typeName(issue.expected)}`);
    case 'invalid_union': return explainUnion(issue, path, root);
    case 'invalid_value': return say(`${shown} is not one of ${pythonRepr(issue.values ?? [])}`);
    case 'unrecognized_keys': return say(unexpected(issue.keys ?? []));
    case 'invalid_key': return { path: path.slice(0, -1), text: unexpected([String(path.at(-1))]), whole: false };
    case 'invalid_format': return say(issue.format === 'regex' && issue.pattern !== undefined
      ? `${shown} does not match ${pythonRepr(issue.pattern.replace(/^\/(.*)\/[a-z]*$/s, '$1'))}`
      : `${shown} is not a '${issue.format === 'guid' ? 'uuid' : (issue.format ?? 'value')}'`);
    case 'too_small': return say(issue.origin === 'number' || issue.origin === 'int'
      ? `${shown} is less than ${issue.inclusive === false ? 'or equal to ' : ''}the minimum of ${issue.minimum}`
      : `${shown} is too short`);
    case 'too_big': return say(issue.origin === 'number' || issue.origin === 'int'
      ? `${shown} is greater than ${issue.inclusive === false ? 'or equal to ' : ''}the maximum of ${issue.maximum}`
      : issue.origin === 'object' || issue.origin === 'record' ? `${shown} has too many properties` : `${shown} is too long`);
    default: return { path, text: secret ? issue.message.replaceAll(pythonRepr(value), shown) : issue.message, whole: issue.params?.['whole'] === true };
  }
}

/**
 * The first thing wrong with an input, in the compute API's words. One sentence, as its clients know them:
 * "Invalid input for field/attribute name. Value: 1. 1 is not of type 'string'".
 * A `custom` issue with `params: { whole: true }` is taken as it stands.
 */
export function explainInvalid(error: { readonly issues: ReadonlyArray<object> }, input: unknown, kind: InputKind = 'body'): string {
  const issues = error.issues as readonly Issue[];
  if (issues.length === 0) return 'Invalid input.';
  const said = explain(deepestFirst(issues), [], input);
  if (said.whole || said.path.length === 0) return said.text;
  const named = kind === 'query' ? said.path[0] : said.path.at(-1);
  const where = kind === 'query' ? 'query parameters' : 'field/attribute';
  return `Invalid input for ${where} ${String(named)}. Value: ${said.path.some((key) => SECRET.test(String(key))) ? '***' : pythonStr(valueAt(input, said.path))}. ${said.text}`;
}
