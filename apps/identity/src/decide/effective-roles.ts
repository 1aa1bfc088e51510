/**
 * Decides which roles somebody holds in a scope, and why: own and groups' assignments, assignments above that are
 * inherited, and the roles that follow from roles. Owns the rules: what is inherited counts only below where it was given;
 * a domain's own role counts only by what follows from it. Never looks anything up; nothing is lost when the process dies here.
 */
export type Holder = { kind: 'project' | 'domain'; id: string } | { kind: 'system' };

/** A role that was given to a user or to a group. */
export interface GivenRole {
  roleId: string;
  /** Exactly one of both. */
  userId: string | null; groupId: string | null;
  on: Holder;
  /** For the projects below `on`, not for `on` itself. */
  inherited: boolean;
}

/** `domainId` null: a role of the whole cloud. */
export interface KnownRole { id: string; name: string; domainId: string | null }

/** Who asks where; `groupIds` are all groups of the user. */
export type RoleScope =
  /** `aboveIds`: the project's parent, its parent, and so on. */
  | { kind: 'project'; id: string; aboveIds: readonly string[]; domainId: string }
  | { kind: 'domain'; id: string }
  | { kind: 'system' };

export interface RoleFacts {
  userId: string; groupIds: readonly string[];
  given: readonly GivenRole[];
  roles: readonly KnownRole[];
  /** `implied` follows from `prior`; circles do no harm. */
  implications: readonly { prior: string; implied: string }[];
}

export interface EffectiveRole {
  id: string; name: string;
  /** An assignment that it comes from, and the roles by which it follows from it: the given one first, this one last. */
  because: GivenRole; through: string[];
}

/** Sorted by name, then id. Where there are several reasons it names the shortest, own assignments before groups'. */
export function effectiveRoles(facts: RoleFacts, scope: RoleScope): EffectiveRole[] {
  const roles = new Map(facts.roles.map((role) => [role.id, role]));
  const groups = new Set(facts.groupIds);
  const follows = new Map<string, string[]>();
  for (const { prior, implied } of facts.implications) follows.set(prior, [...(follows.get(prior) ?? []), implied]);

  const applying = facts.given
    .filter((given) => (given.userId === facts.userId || (given.groupId !== null && groups.has(given.groupId))) && reaches(given, scope))
    .sort((a, b) => rank(a) - rank(b));
  const held = new Map<string, { because: GivenRole; through: string[] }>();
  for (const because of applying) if (!held.has(because.roleId)) held.set(because.roleId, { because, through: [because.roleId] });
  // A map is walked in the order of its growth: breadth first, so the first way found is a shortest one.
  for (const [roleId, { because, through }] of held) {
    for (const implied of follows.get(roleId) ?? []) if (!held.has(implied)) held.set(implied, { because, through: [...through, implied] });
  }

  const effective: EffectiveRole[] = [];
  for (const [id, reason] of held) {
    const role = roles.get(id);
    if (role?.domainId === null) effective.push({ id, name: role.name, ...reason });
  }
  return effective.sort((a, b) => compare(a.name, b.name) || compare(a.id, b.id));
}

/** Does an assignment count in a scope? */
export function reaches({ on, inherited }: Pick<GivenRole, 'on' | 'inherited'>, scope: RoleScope): boolean {
  if (!inherited) return on.kind === scope.kind && (on.kind === 'system' || scope.kind === 'system' || on.id === scope.id);
  if (scope.kind !== 'project') return false;
  if (on.kind === 'domain') return on.id === scope.domainId;
  return on.kind === 'project' && scope.aboveIds.includes(on.id);
}

const rank = ({ userId, inherited }: GivenRole): number => (userId === null ? 2 : 0) + (inherited ? 1 : 0);
const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
