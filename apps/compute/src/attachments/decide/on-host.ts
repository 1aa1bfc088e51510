/** May devices come to a server, or leave it, on the host that it is on? In words. Owns nothing; pure. */

/** older: its agent cannot attach or detach, or gives no devices. */
export type Standing = 'able' | 'older' | 'fenced';
export type Operation = 'attach-device' | 'detach-device';

/**
 * Why not, or undefined. What is detached behind a fence is only wanted no more: its claim keeps it until its absence is proved. An
 * evacuation takes along what is wanted, so it has to be possible to want less where no other host has as much.
 */
export function whyNotOnHost(operation: Operation, { id, host }: { id: string; host: string }, standing: Standing): string | undefined {
  if (standing === 'older') return `The agent of the host of instance ${id} is older (or gives no devices) and cannot attach or detach them. What to do: update the agent of ${host}, or resize the server to another flavor.`;
  if (standing === 'fenced' && operation === 'attach-device') return `The host of instance ${id} is fenced: nothing is attached there. What to do: evacuate the server, or take the host back.`;
  return undefined;
}
