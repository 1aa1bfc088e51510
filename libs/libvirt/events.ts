// Domain events: from message bytes to words.
import type { DomainEvent, DomainRef } from './api.js';
import { toRef } from './convert.js';
import { EVENTS, LIFECYCLE } from './facts.js';
import type { Packet } from './framing.js';
import { decodeXdr } from './xdr.js';

const LIFECYCLE_NAMES = Object.keys(LIFECYCLE) as (keyof typeof LIFECYCLE)[];

export function lifecycleEvent(domain: DomainRef, event: number, detail: number): DomainEvent {
  const name = LIFECYCLE_NAMES[event];
  if (name === undefined) return { kind: 'lifecycle', domain, event: 'unknown', detail: 'unknown' };
  // The pairing of event and detail is the table's; TypeScript cannot follow it through an index.
  return { kind: 'lifecycle', domain, event: name, detail: LIFECYCLE[name][detail] ?? 'unknown' } as DomainEvent;
}

/** The event in a MESSAGE packet, or null for a kind we did not register for (a newer daemon may send more). */
export function decodeEvent(packet: Packet): DomainEvent | null {
  switch (packet.proc) {
    case EVENTS.lifecycle.number: {
      const { msg } = decodeXdr(EVENTS.lifecycle.message, packet.payload);
      return lifecycleEvent(toRef(msg.dom), msg.event, msg.detail);
    }
    case EVENTS.reboot.number:
      return { kind: 'reboot', domain: toRef(decodeXdr(EVENTS.reboot.message, packet.payload).msg.dom) };
    case EVENTS.tunable.number:
      return { kind: 'tunable', domain: toRef(decodeXdr(EVENTS.tunable.message, packet.payload).dom) };
    case EVENTS.deviceAdded.number: {
      const { dom, devAlias } = decodeXdr(EVENTS.deviceAdded.message, packet.payload);
      return { kind: 'device-added', domain: toRef(dom), alias: devAlias };
    }
    case EVENTS.deviceRemoved.number: {
      const { msg: { dom, devAlias } } = decodeXdr(EVENTS.deviceRemoved.message, packet.payload);
      return { kind: 'device-removed', domain: toRef(dom), alias: devAlias };
    }
    case EVENTS.deviceRemovalFailed.number: {
      const { dom, devAlias } = decodeXdr(EVENTS.deviceRemovalFailed.message, packet.payload);
      return { kind: 'device-removal-failed', domain: toRef(dom), alias: devAlias };
    }
    default:
      return null;
  }
}
