/**
 * How the image builders speak: progress on stderr, one-line errors with a cause and a cure, and child processes whose
 * own words are kept for that error. Owns nothing on disk; a crash here leaves nothing behind.
 */
import { spawn } from 'node:child_process';

const startedAt = Date.now();
const STDERR_KEPT = 4000;
/** What to do when the cache's disk is full. */
export const CURE_SPACE = 'free some space, or point SKYLITE_CACHE at a larger disk';

/** A failure that is explained to a person in one line: what went wrong, and what to do about it. */
export class BuildError extends Error {
  constructor(cause, cure) {
    super(`${cause.replace(/\s+/g, ' ').trim()} — ${cure}`);
    this.name = 'BuildError';
  }
}

/** One progress line with the seconds since the start. */
export function progress(text) {
  process.stderr.write(`[${((Date.now() - startedAt) / 1000).toFixed(1).padStart(5)}s] ${text}\n`);
}

/**
 * Runs a program to its end.
 * @returns {Promise<string>} what it wrote to stdout
 * @throws {BuildError} with the last line of its stderr when it is missing or fails
 */
export function run(program, args, { cwd, env, cure = 'see the message' } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, LC_ALL: 'C', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const out = [];
    let err = '';
    child.stdout.on('data', (chunk) => out.push(chunk));
    child.stderr.on('data', (chunk) => (err = (err + chunk).slice(-STDERR_KEPT)));
    child.on('error', (error) =>
      reject(new BuildError(`${program} cannot be started (${error.code ?? error.message})`, cure)),
    );
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(Buffer.concat(out).toString('utf8'));
      if (err.includes('No space left on device')) return reject(new BuildError(`${program} found no disk space left`, CURE_SPACE));
      const last = err.trim().split('\n').filter(Boolean).at(-1) ?? 'it said nothing';
      reject(new BuildError(`${program} failed (${signal ?? `exit ${code}`}): ${last}`, cure));
    });
  });
}

/** Runs a builder's main function: explained errors become one line and exit code 1. */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`error: ${explain(error)}\n`);
    process.exitCode = 1;
  }
}

function explain(error) {
  if (error instanceof BuildError) return error.message;
  if (error?.code === 'ENOSPC') return `no disk space left (${error.path ?? error.syscall}) — ${CURE_SPACE}`;
  if (error?.code === 'EACCES' || error?.code === 'EPERM' || error?.code === 'EROFS')
    return `${error.path ?? error.syscall} cannot be written — run as root, or point SKYLITE_CACHE at a folder of your own`;
  return error?.stack ?? String(error);
}
