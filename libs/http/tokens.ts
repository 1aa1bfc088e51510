/** Injection token of the logger that the door writes to. */
export const DOOR_LOGGER = Symbol('DOOR_LOGGER');
/** Injection tokens of what the door was given: IdempotencyOptions, ProjectBrakes. */
export const IDEMPOTENCY = Symbol('IDEMPOTENCY');
export const BRAKES = Symbol('BRAKES');
