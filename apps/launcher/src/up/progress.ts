/** One line a step with its time; a failure is one line with cause and cure. */
export class UpError extends Error {
  constructor(cause: string, readonly cure: string) {
    super(cause);
    this.name = 'UpError';
  }
}

/** Of a longer text the line that says why, without its full stop. */
export function oneLine(text: string): string {
  const lines = text.split('\n').map((line) => line.trim()).filter(Boolean);
  return (lines.find((line) => /No space left|ENOSPC|FATAL/.test(line)) ?? lines[0] ?? 'no reason given').replace(/\.$/, '').slice(0, 300);
}

const INTERRUPTED = new UpError('interrupted.', 'What was started is stopped again.');
let interrupted = false;
let reject: (error: UpError) => void;
const abort = new AbortController();
/** Ends programs that would go on for a while. */
export const interruptSignal = abort.signal;
/** Fails at the first Ctrl-C or TERM after `heedSignals`; what waits with `until` fails too. A second one ends the process as usual. */
export const interruption = new Promise<never>((_, refuse) => { reject = refuse; });
interruption.catch(() => undefined);

export function heedSignals(): void {
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      interrupted = true;
      reject(INTERRUPTED);
      abort.abort();
    });
  }
}

const running = new Set<string>();
const tty = process.stdout.isTTY;

/** Runs a step and prints how long it took; several may run at once. `work` returns a note for its line. */
export async function step<T>(title: string, work: () => Promise<T>, note?: (result: T) => string | undefined): Promise<T> {
  const started = performance.now();
  running.add(title);
  redraw();
  try {
    const result = await work();
    finish(title, started, note?.(result));
    return result;
  } catch (error) {
    running.delete(title);
    if (tty) process.stdout.write('\r\x1b[K');
    // The terminal's Ctrl-C reached the program that was waited for, too: that it failed is no news.
    throw interrupted ? INTERRUPTED : error;
  }
}

function finish(title: string, started: number, note: string | undefined): void {
  running.delete(title);
  const line = `${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${title}${note ? `: ${note}` : ''}`;
  process.stdout.write(tty ? `\r\x1b[K${line}\n` : `${line}\n`);
  redraw();
}

function redraw(): void {
  if (tty && running.size > 0) process.stdout.write(`\r\x1b[K  … ${[...running].join(', ').slice(0, 70)}`);
}

export const say = (text: string): void => { process.stdout.write(`${tty ? '\r\x1b[K' : ''}${text}\n`); };

/** Polls `test` until it gives a value; undefined means not yet. */
export async function until<T>(what: string, cure: string, timeoutMs: number, test: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await test();
    if (value !== undefined) return value;
    if (interrupted) throw INTERRUPTED;
    if (Date.now() > end) throw new UpError(`${what} within ${Math.round(timeoutMs / 1000)} s.`, cure);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
