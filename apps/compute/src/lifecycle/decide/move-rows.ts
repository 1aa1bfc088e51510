/** What the loop knows of an instance's moves when it decides: rows of compute.migrations that are not over yet. Pure. */
import type { MoveKind } from '#libs/contracts';

export interface MoveRows {
  /** The move under way. */
  open: OpenMove | null;
  /** Hosts besides the instance's own that still have something of it; the open move's is among them. */
  others: readonly OtherHost[];
  /** The instance's own host is fenced, and has not been heard since. Read after the instance: see is-gone.ts. */
  hostGone: boolean;
}

export interface OpenMove {
  id: string;
  kind: MoveKind;
  source: { id: string; name: string };
  /** null: none claimed yet. */
  destination: { id: string; name: string; zone: string } | null;
  /** It goes back by itself, because of this. */
  error: string | null;
}

export interface OtherHost {
  /** The move that left it there. */
  moveId: string;
  /** That move is still under way. */
  open: boolean;
  host: { id: string; name: string };
  wanted: 'stopped' | 'deleted';
  /** It answered the word it was told last: nothing is left there. */
  absent: boolean;
  /** It is fenced, and has not been heard since: what it had does not run. */
  gone: boolean;
}

/** The name under which the claim of a host that was left without its proof of absence is counted. */
export const lostClaim = (moveId: string): string => `lost:${moveId}`;
