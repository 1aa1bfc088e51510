/**
 * Decides what a new token says: its life, its methods, its scope. Owns the rule that a token made from a token never
 * outlives it. Never looks at a password, a clock or a database; nothing is lost when the process dies here.
 */
export interface Domain { id: string; name: string }
export interface Role { id: string; name: string }

export interface GrantedUser { id: string; name: string; domain: Domain; passwordExpiresAt: string | null }
export interface GrantedProject { id: string; name: string; domain: Domain }

/** A project as the user who wants a token for it stands to it. */
export interface ProjectStanding extends GrantedProject { enabled: boolean; domainEnabled: boolean; roles: Role[] }

/** The token that a rescope starts from. Times in seconds since the epoch. */
export interface ParentToken { auditId: string; parentAuditId: string | null; expiresAt: number; methods: string[] }

export interface Grant {
  auditId: string; parentAuditId: string | null; issuedAt: number; expiresAt: number; methods: string[];
  user: GrantedUser; project: GrantedProject | null; roles: Role[];
}

/** Why a project cannot be scoped to; undefined when it can. Clients hear none of it. */
export function refuseProject(standing: ProjectStanding | null): string | undefined {
  if (standing === null) return 'no such project';
  if (!standing.enabled) return 'the project is disabled';
  if (!standing.domainEnabled) return "the project's domain is disabled";
  return standing.roles.length === 0 ? 'the user has no role on the project' : undefined;
}

export interface GrantFacts {
  user: GrantedUser; methods: string[]; parent: ParentToken | null; standing: ProjectStanding | null;
  /** Seconds since the epoch. */
  now: number;
  ttlS: number;
  auditId: string;
}

/** @param facts `standing` must have passed refuseProject, or be null for an unscoped token. */
export function grantToken({ user, methods, parent, standing, now, ttlS, auditId }: GrantFacts): Grant {
  const project = standing === null ? null : { id: standing.id, name: standing.name, domain: standing.domain };
  return {
    auditId,
    // The chain's first token, as Keystone reports it.
    parentAuditId: parent === null ? null : (parent.parentAuditId ?? parent.auditId),
    issuedAt: now,
    expiresAt: Math.min(now + ttlS, parent?.expiresAt ?? Infinity),
    methods: [...new Set([...methods, ...(parent?.methods ?? [])])].sort(),
    user: { id: user.id, name: user.name, domain: user.domain, passwordExpiresAt: user.passwordExpiresAt },
    project,
    roles: standing?.roles ?? [],
  };
}
