/**
 * May this machine become (or again be) this host with this token? Pure; the caller holds the token's row while it asks,
 * so that a token is used once however many use it at the same moment.
 */
export interface TokenFacts { availabilityZone: string; onlyWhenAsked: boolean; simulated: boolean; expired: boolean; usedByHost: string | null }
export interface HostFacts { id: string; name: string; publicNkey: string; availabilityZone: string; simulated: boolean }
export interface Joining { hostId: string; name: string; publicNkey: string; simulated: boolean }

export type EnrolmentDecision =
  | { do: 'enrol' }
  /** Known already with this key: its rights are signed again; `useToken`: this is not a repeat of the same call. */
  | { do: 'welcome-back'; useToken: boolean }
  | { do: 'refuse'; kind: 'forbidden' | 'conflict' | 'bad-request'; message: string };

/** One text for all three, so that guessing tokens teaches nothing. */
const NO_TOKEN = 'This enrolment token is unknown, used or expired. Make a new one with `skylite host enroll`; each serves one host.';

/** @param others hosts that have the same id, name or key. */
export function decideEnrolment(token: TokenFacts | null, joining: Joining, others: readonly HostFacts[]): EnrolmentDecision {
  const refuse = (kind: 'forbidden' | 'conflict' | 'bad-request', message: string): EnrolmentDecision => ({ do: 'refuse', kind, message });
  if (token === null) return refuse('forbidden', NO_TOKEN);
  const same = others.find((host) => host.id === joining.hostId);
  if (token.usedByHost !== null) {
    // A repeat whose answer was lost: the key it gets rights for is the one that was enrolled, so nothing is given away.
    const repeat = token.usedByHost === joining.hostId && same?.publicNkey === joining.publicNkey;
    return repeat ? { do: 'welcome-back', useToken: false } : refuse('forbidden', NO_TOKEN);
  }
  if (token.expired) return refuse('forbidden', NO_TOKEN);
  if (token.simulated !== joining.simulated) {
    return refuse('bad-request', token.simulated ? 'This token is for simulated hosts only.' : 'This token is not for simulated hosts; make one with `skylite host enroll --simulated`.');
  }
  if (same !== undefined) {
    if (same.publicNkey !== joining.publicNkey) return refuse('conflict', `Host ${joining.hostId} is enrolled with another key. If this machine was copied from another one, remove the agent's identity folder and join again.`);
    if (same.name !== joining.name) return refuse('conflict', `This host is enrolled as '${same.name}' and cannot join again as '${joining.name}'.`);
    return { do: 'welcome-back', useToken: true };
  }
  if (others.some((host) => host.publicNkey === joining.publicNkey)) return refuse('conflict', "This key belongs to another host. Remove the agent's identity folder and join again.");
  if (others.some((host) => host.name === joining.name)) return refuse('conflict', `The name '${joining.name}' is taken by another host. Choose another with --name.`);
  return { do: 'enrol' };
}
