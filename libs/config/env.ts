import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';

/**
 * Reads typed settings from environment variables `SKYLITE_*`. A wrong value fails the boot with one line that names
 * the variable and what would be right. Secrets come from files that a variable names, never from the variable itself.
 */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ConfigError';
  }
}

export type Env = Record<string, string | undefined>;

/** Checks `shape` against the environment; keys of the shape are the variables' names. */
export function readEnv<S extends z.ZodRawShape>(shape: S, env: Env): z.output<z.ZodObject<S>> {
  const values: Record<string, string> = {};
  for (const name of Object.keys(shape)) {
    const value = env[name];
    if (value !== undefined && value !== '') values[name] = value;
  }
  const checked = z.object(shape).safeParse(values);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  const name = String(issue?.path[0] ?? '?');
  throw new ConfigError(values[name] === undefined ? `${name} is not set, and has no default.` : `${name}=${JSON.stringify(values[name])} is not usable: ${issue?.message ?? ''}`);
}

/** A JSON secrets file, 0600 or stricter: a world-readable secret is refused rather than used. */
export function readSecretFile<T extends z.ZodType>(variable: string, path: string, schema: T): z.output<T> {
  let content: unknown;
  try {
    if ((statSync(path).mode & 0o077) !== 0) throw new Error('others can read it; it must be 0600');
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError(`${variable}: the file ${path} is not usable (${error instanceof Error ? error.message : String(error)}).`);
  }
  const parsed = schema.safeParse(content);
  if (!parsed.success) throw new ConfigError(`${variable}: ${path} does not hold what it should: ${parsed.error.issues[0]?.path.join('.') ?? ''} ${parsed.error.issues[0]?.message ?? ''}`);
  return parsed.data;
}

export const port = z.coerce.number().int().min(0).max(65_535);
export const milliseconds = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
export const logLevel = z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info');
/** Comma-separated list without blanks. */
export const list = z.string().transform((value) => value.split(',').map((part) => part.trim()).filter(Boolean));
