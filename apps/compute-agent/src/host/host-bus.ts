import { hostInbox, NatsBus } from '#libs/messaging';
import type { Logger } from '#libs/observability';
import { credsOf, type JoinedIdentity } from '../session/identity.js';

/** A host's own connection: its own key, its own subjects, its own inbox. Connects by itself, for ever. */
export function connectHost(identity: JoinedIdentity, incarnation: () => number, logger: Logger): NatsBus {
  return new NatsBus({
    servers: identity.membership.natsUrls, creds: credsOf(identity), name: `host ${identity.name}`, inboxPrefix: hostInbox(identity.hostId),
    cellId: identity.membership.cellId, incarnation, ofHost: true, onProblem: (text) => logger.warn(text),
  });
}
