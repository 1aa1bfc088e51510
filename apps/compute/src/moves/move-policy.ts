/** What the operator allows of moves. */
export interface MovePolicy {
  /** A resize may end on the host where the server is already: then no disk travels. */
  resizeInPlace: boolean;
  /** Seconds after which a resize or migration that waits to be confirmed is confirmed by itself; 0: never. */
  confirmAfterS: number;
}

/** Injection token of the app's MovePolicy. */
export const MOVE_POLICY = Symbol('MOVE_POLICY');

export const DEFAULT_MOVE_POLICY: MovePolicy = { resizeInPlace: true, confirmAfterS: 0 };
