/**
 * One session per host. A session is one boot of the machine, named by its boot id; an agent that restarts within the
 * same boot goes on in the same session.
 *
 * The rule: the session that is known keeps the host while it is heard. Another boot id takes over only after the known
 * one was silent for the alive timeout; until then it is told to come back when that would be. So a machine that was
 * rebooted waits some seconds at most, and a copy of a host's identity that runs beside the original gets nothing as
 * long as the original lives. Boot ids have no order, so "newer" can only mean "the other one has stopped". Beats of
 * a session that lost the host keep nobody alive. Within a session the inventory's generation only rises: a lower one
 * is an old message and is answered without being stored; the same one is stored again when an older scheduler stored it, which
 * dropped what it did not know. Pure.
 */
export interface KnownSession { bootId: string | null; inventoryGeneration: number; /** An older scheduler stored the inventory, or none did. */ incomplete: boolean }

export type Admission =
  | { admit: 'same'; store: boolean }
  | { admit: 'new' }
  | { admit: 'refused'; retryAfterS: number };

/** @param silentMs since the known session was last heard; Infinity: never. */
export function admitSession(known: KnownSession, reported: { bootId: string; inventoryGeneration: number }, silentMs: number, aliveTimeoutMs: number): Admission {
  if (known.bootId === reported.bootId) return { admit: 'same', store: reported.inventoryGeneration > known.inventoryGeneration || (known.incomplete && reported.inventoryGeneration === known.inventoryGeneration) };
  if (known.bootId === null || silentMs >= aliveTimeoutMs) return { admit: 'new' };
  return { admit: 'refused', retryAfterS: Math.max(1, Math.ceil((aliveTimeoutMs - silentMs) / 1000)) };
}
