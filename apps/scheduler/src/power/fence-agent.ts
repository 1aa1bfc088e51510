/** What cuts a host's power. One file per way; power-switches.ts chooses. */
export interface PowerSettings {
  kind: 'ipmi' | 'redfish';
  address: string;
  username: string;
  password: string;
  options: { systemPath?: string | undefined; certificateSha256?: string | undefined };
}

/** What was seen, for the record. */
export interface Proof { text: string }

export interface FenceAgent {
  /**
   * Resolves only when the machine itself said that its power is off. May be repeated; off already is success. Throws in words
   * for people, never with the password.
   */
  powerOff(settings: PowerSettings, signal: AbortSignal): Promise<Proof>;
}

/** Between two looks whether it is off. */
export const LOOK_AGAIN_MS = 500;

export const pause = (ms: number, signal: AbortSignal): Promise<void> => new Promise((resolve, reject) => {
  const late = (): void => { clearTimeout(timer); reject(new Error('it did not say in time that its power is off')); };
  const timer = setTimeout(() => { signal.removeEventListener('abort', late); resolve(); }, ms);
  if (signal.aborted) late();
  else signal.addEventListener('abort', late, { once: true });
});
