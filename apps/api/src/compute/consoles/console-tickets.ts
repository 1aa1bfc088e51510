import { createHash } from 'node:crypto';
import type { Login } from '#libs/auth';
import { createConsoleTicket, type ConsoleKind, type ConsoleLogin, type InstanceId } from '#libs/contracts';
import { badRequest, SkyError } from '#libs/errors';
import type { Bus } from '#libs/messaging';
import { asking, type Call } from '../../http/call.js';

/** What rests in the database, and travels, instead of the ticket itself. */
export const hashOfTicket = (ticket: string): string => createHash('sha256').update(ticket).digest('hex');

/** OpenStack's console types that this cloud has. */
const KINDS: Readonly<Record<string, ConsoleKind>> = { novnc: 'vnc', serial: 'serial' };
/** And by protocol, the type that is the only one of it. */
const TYPE_OF_PROTOCOL: Readonly<Record<string, string>> = { vnc: 'novnc', serial: 'serial' };

/** What is kept of a login: ids alone. */
function consoleLogin({ kid, claims: { auditId, parentAuditId, issuedAt, expiresAt, snapshot, user, project, scopeDomain, roles, applicationCredential } }: Login): ConsoleLogin {
  const inDomain = ({ id, domain }: { id: string; domain: { id: string } }) => ({ id, domain: { id: domain.id } });
  return {
    kid,
    claims: {
      auditId, parentAuditId, issuedAt, expiresAt, user: inDomain(user), project: project === null ? null : inDomain(project), roles: roles.map(({ id }) => ({ id })),
      ...(snapshot !== undefined && { snapshot }), ...(scopeDomain !== undefined && { scopeDomain: { id: scopeDomain.id } }),
      ...(applicationCredential !== undefined && { applicationCredential: { id: applicationCredential.id } }),
    },
  };
}

/**
 * A URL with a fresh ticket: a page for people (novnc), or a WebSocket for terminal programs (serial; with http for ws it is a
 * page as well). The ticket stands nowhere else in clear.
 */
export async function openConsoleUrl(bus: Bus, call: Call, instanceId: InstanceId, protocol: string, type: string): Promise<string> {
  const only = TYPE_OF_PROTOCOL[protocol];
  if (only === undefined) throw badRequest(`Unavailable console type ${type}.`);
  if (only !== type) throw badRequest(`Invalid console type ${type}`);
  const kind = KINDS[type] as ConsoleKind;
  const ticket = call.ids.bytes('console-ticket', 32).toString('base64url');
  try {
    await asking(bus, call.caller)(createConsoleTicket, { instanceId, kind, ticketHash: hashOfTicket(ticket), sessionEndsAt: call.sessionEndsAt, ...(call.login !== undefined && { login: consoleLogin(call.login) }) });
  } catch (error) {
    // Nova has no consoles of a server that are "not implemented": the type is not available there.
    if (error instanceof SkyError && error.kind === 'unsupported') throw badRequest(`Unavailable console type ${type}. ${error.message}`, { cause: error });
    throw error;
  }
  const base = kind === 'serial' ? call.publicUrl.replace(/^http/, 'ws') : call.publicUrl;
  return `${base}/console/${kind}?token=${ticket}`;
}
