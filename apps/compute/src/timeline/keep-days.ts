/** Injection token: days for which events are kept. */
export const EVENTS_KEEP_DAYS = Symbol('EVENTS_KEEP_DAYS');
