/**
 * Decides what a new token says: its life, its methods, its scope, its roles. Owns the rule that a token made from a token
 * never outlives it, and that an application credential gives the roles it was made with and only while its owner has them.
 * Never looks at a password, a clock or a database; nothing is lost when the process dies here.
 */
export interface Domain { id: string; name: string }
export interface Role { id: string; name: string }

export interface GrantedUser { id: string; name: string; domain: Domain; passwordExpiresAt: string | null }
export interface GrantedProject { id: string; name: string; domain: Domain }

/** A scope as the user who wants a token for it stands to it; `roles` are the effective ones. */
export interface ProjectStanding extends GrantedProject { kind: 'project'; enabled: boolean; domainEnabled: boolean; roles: Role[] }
export interface DomainStanding extends Domain { kind: 'domain'; enabled: boolean; roles: Role[] }
export interface SystemStanding { kind: 'system'; roles: Role[] }
export type Standing = ProjectStanding | DomainStanding | SystemStanding;

/** The token that a rescope starts from. Times in seconds since the epoch. */
export interface ParentToken { auditId: string; parentAuditId: string | null; expiresAt: number; methods: string[] }

/** The application credential that somebody proved themselves with. */
export interface UsedCredential {
  id: string; name: string; restricted: boolean; ruled: boolean; roleIds: readonly string[];
  /** Seconds since the epoch; null: it does not end by itself. */
  expiresAt: number | null;
}

export interface Grant {
  auditId: string; parentAuditId: string | null; issuedAt: number; expiresAt: number; methods: string[];
  user: GrantedUser; project: GrantedProject | null; scopeDomain?: Domain; system?: boolean; roles: Role[];
  snapshot?: string;
  applicationCredential?: { id: string; name: string; restricted: boolean; ruled: boolean };
}

/** Why there is no token for this scope; undefined when there is. Clients hear none of it. */
export function refuseScope(standing: Standing | null): string | undefined {
  if (standing === null) return 'no such project or domain';
  if (standing.kind !== 'system' && !standing.enabled) return `the ${standing.kind} is disabled`;
  if (standing.kind === 'project' && !standing.domainEnabled) return "the project's domain is disabled";
  return standing.roles.length === 0 ? `the user has no role on the ${standing.kind}` : undefined;
}

/** Why a credential is worth nothing now: it dies with any of its roles. */
export function refuseCredential(credential: UsedCredential, standing: Standing, now: number): string | undefined {
  if (credential.expiresAt !== null && credential.expiresAt <= now) return 'the application credential has expired';
  const held = new Set(standing.roles.map(({ id }) => id));
  return credential.roleIds.length === 0 || credential.roleIds.some((id) => !held.has(id)) ? 'its owner has lost a role of the application credential' : undefined;
}

export interface GrantFacts {
  user: GrantedUser; methods: string[]; parent: ParentToken | null; standing: Standing | null; credential: UsedCredential | null;
  /** When what the token rests on was read, seconds since the epoch, with fractions, by the database's clock; and its snapshot. */
  now: number;
  snapshot: string;
  ttlS: number;
  auditId: string;
}

/** Characters of running transactions that a token can carry (it takes 256), as it carries them: counted from the oldest one. */
const LONGEST_RUNNING = 240;

/** @param facts `standing` must have passed refuseScope, or be null for an unscoped token; `credential` must have passed refuseCredential. */
export function grantToken({ user, methods, parent, standing, credential, now, snapshot, ttlS, auditId }: GrantFacts): Grant {
  return {
    auditId,
    // The chain's first token, as Keystone reports it.
    parentAuditId: parent === null ? null : (parent.parentAuditId ?? parent.auditId),
    issuedAt: now,
    expiresAt: Math.min(Math.floor(now) + ttlS, parent?.expiresAt ?? Infinity, Math.floor(credential?.expiresAt ?? Infinity)),
    methods: [...new Set([...methods, ...(parent?.methods ?? [])])].sort(),
    user: { id: user.id, name: user.name, domain: user.domain, passwordExpiresAt: user.passwordExpiresAt },
    project: standing?.kind === 'project' ? { id: standing.id, name: standing.name, domain: standing.domain } : null,
    ...(standing?.kind === 'domain' && { scopeDomain: { id: standing.id, name: standing.name } }),
    ...(standing?.kind === 'system' && { system: true }),
    roles: (standing?.roles ?? []).filter(({ id }) => credential === null || credential.roleIds.includes(id)),
    snapshot: shortened(snapshot),
    ...(credential !== null && { applicationCredential: { id: credential.id, name: credential.name, restricted: credential.restricted, ruled: credential.ruled } }),
  };
}

/** A longer list ends with what fits: what began later counts as not seen, which refuses a token rather than trusting one. */
function shortened(snapshot: string): string {
  const [oldest = '', , running = ''] = snapshot.split(':');
  const kept: string[] = [];
  let length = 0;
  for (const xid of running.split(',').filter(Boolean)) {
    length += (BigInt(xid) - BigInt(oldest)).toString().length + 1;
    if (length > LONGEST_RUNNING) return `${oldest}:${xid}:${kept.join()}`;
    kept.push(xid);
  }
  return snapshot;
}
