import type { TimelineEntry } from '#libs/contracts';

type Line = TimelineEntry['lines'][number];

/** The history of a server as text, oldest first: what was asked and by whom, then each step, wait and error with how long it took. */
export function timelineText(entries: readonly TimelineEntry[], nowMs: number): string {
  if (entries.length === 0) return '  nothing is kept';
  return [...entries].reverse().map((entry) => [heading(entry, nowMs), ...entry.lines.map((line) => lineText(line, nowMs))].join('\n')).join('\n');
}

function heading(entry: TimelineEntry, nowMs: number): string {
  if (entry.requestId === null) return `  ${entry.startedAt}  by itself`;
  const state = entry.finishedAt === null ? `under way for ${duration(nowMs - Date.parse(entry.startedAt))}` : `${entry.failed ? 'failed' : 'done'} in ${duration(Date.parse(entry.finishedAt) - Date.parse(entry.startedAt))}`;
  return `  ${entry.startedAt}  ${entry.action}: ${state}  (user ${entry.userId ?? 'unknown'}, ${entry.requestId})`;
}

function lineText(line: Line, nowMs: number): string {
  const took = line.finishedAt === null ? `${duration(nowMs - Date.parse(line.startedAt))}, still` : line.what === 'told' ? '' : duration(line.durationMs ?? 0);
  const text = [line.ended !== null && line.what === 'step' && line.ended !== line.name ? line.ended : '', line.message, line.message.includes(line.hostName ?? '\0') ? '' : line.hostName === null ? '' : `on ${line.hostName}`]
    .filter((part) => part !== '').join(' ');
  const detail = line.outcome === 'error' || line.what === 'wait' ? line.detail : null;
  return `    ${line.startedAt.slice(11, 23)}  ${took.padStart(9)}  ${(line.outcome === 'error' ? `! ${line.name}` : line.name).padEnd(18)} ${text}${detail === null ? '' : `\n${detail.split('\n').map((each) => `${' '.repeat(27)}${each}`).join('\n')}`}`.trimEnd();
}

/** `340 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const s = ms / 1000;
  if (s < 60) return `${s.toFixed(1)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}
