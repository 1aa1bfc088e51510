/** Injection token of the logger that the door writes to. */
export const DOOR_LOGGER = Symbol('DOOR_LOGGER');
