/** Injection token of the app's Database. */
export const DATABASE = Symbol('DATABASE');
