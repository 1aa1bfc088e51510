/**
 * May a console of this kind be had of this server as it is now? Owns the words of the refusals. Pure; reads nothing.
 */
import type { ConsoleKind } from '#libs/contracts';

export interface ConsoleSubject {
  readonly id: string;
  readonly hostId: string | null;
  readonly observedState: string | null;
  /** As frozen when it was first defined; empty when its host has not said. */
  readonly frozen: Readonly<Record<string, string | number>>;
}

export type ConsoleAnswer = { readonly ok: true } | { readonly ok: false; readonly kind: 'conflict' | 'unsupported'; readonly message: string };

/** Domains rendered by earlier versions have no screen, and are never rendered anew. */
export const GRAPHICS_SINCE_RENDER_VERSION = 2;

const UP: ReadonlySet<string> = new Set(['running', 'paused']);

export function consoleAvailable(kind: ConsoleKind, { id, hostId, observedState, frozen }: ConsoleSubject): ConsoleAnswer {
  if (hostId === null || observedState === null || !UP.has(observedState)) return { ok: false, kind: 'conflict', message: `Instance ${id} is not ready` };
  if (kind === 'serial') return { ok: true };
  if (frozen['virtType'] === 'simulated') return { ok: false, kind: 'unsupported', message: 'The server is a simulated one and has no screen.' };
  const version = Number(frozen['renderVersion'] ?? GRAPHICS_SINCE_RENDER_VERSION);
  if (version < GRAPHICS_SINCE_RENDER_VERSION) return { ok: false, kind: 'unsupported', message: 'The server was made before servers had a screen; its serial console works, and a rebuild gives it a screen.' };
  return { ok: true };
}
