/**
 * May this host be fenced now? Pure. A statement is a person's proof, so the host must look dead to us as well; a machine's
 * proof (its power was cut) needs no silence, but a machine must not act on what may be our own deafness.
 */
export interface FenceFacts {
  method: 'statement' | 'machine';
  name: string;
  /** Does silence prove anything now? */
  certain: boolean;
  condition: { state: string; reason: string };
  /** Of all hosts: how many there are, how many look lost, this one left out. */
  hosts: number;
  othersLost: number;
  hasPower: boolean;
  force: boolean;
  lostShare: number;
}

export type FenceVerdict = { may: true } | { may: false; kind: 'conflict' | 'unavailable' | 'bad-request'; why: string };

const DEAD: ReadonlySet<string> = new Set(['lost', 'unknown']);

export function mayFence(facts: FenceFacts): FenceVerdict {
  if (facts.method === 'statement') {
    if (DEAD.has(facts.condition.state)) {
      return facts.certain ? { may: true } : { may: false, kind: 'unavailable', why: 'Whether hosts answer cannot be told right now: the bus was away or the scheduler has just started. Try again in some seconds.' };
    }
    const how = facts.condition.state === 'alive' ? 'it answers' : facts.condition.reason;
    return { may: false, kind: 'conflict', why: `Host ${facts.name} is not gone (${how}): its servers may be running. Switch it off first, or fence it by machine (its power is cut then).` };
  }
  if (!facts.hasPower) return { may: false, kind: 'bad-request', why: `How to cut the power of ${facts.name} is not known: tell it with 'skylite host power-set', or fence it with a statement.` };
  const lost = facts.othersLost;
  if (!facts.force && lost > 0 && lost + 1 > facts.hosts * facts.lostShare) {
    return { may: false, kind: 'conflict', why: `${lost} of the other ${facts.hosts - 1} hosts look lost as well: that is more likely the network's or the control plane's fault. Look there first; --force fences all the same.` };
  }
  return { may: true };
}
