/** Keystone's own sentence; clients and their tests know it. Deliberately without a hint why. */
export const REAUTHENTICATE = 'The request you have made requires authentication.';
