/**
 * Random clouds of roles, and a slow, obvious answer to who holds what in them: every group is replaced by its members, every
 * inherited assignment by one for each project below, and every role by what follows from it, until nothing new appears.
 */
import type { GivenRole, KnownRole, RoleScope } from '../../apps/identity/src/decide/effective-roles.js';

export interface RoleWorld {
  domains: string[];
  /** `parentId`: another project, or the domain. Parents come before their children. */
  projects: { id: string; domainId: string; parentId: string }[];
  users: string[]; groups: string[];
  members: { userId: string; groupId: string }[];
  roles: KnownRole[];
  implications: { prior: string; implied: string }[];
  given: GivenRole[];
}

/** The same world for the same seed; ids begin with `prefix`. */
export function roleWorld(seed: number, prefix = ''): RoleWorld {
  const random = generator(seed);
  const upTo = (n: number): number => Math.floor(random() * (n + 1));
  const pick = <T>(list: readonly T[]): T => list[upTo(list.length - 1)] as T;
  const ids = (kind: string, n: number): string[] => Array.from({ length: n }, (_, i) => `${prefix}${kind}${i}`);
  const times = <T>(n: number, make: () => T): T[] => Array.from({ length: n }, make);

  const domains = ids('d', 1 + upTo(2));
  const projects: RoleWorld['projects'] = [];
  for (const id of ids('p', 1 + upTo(7))) {
    const parent = upTo(3) === 0 ? undefined : projects[upTo(projects.length)];
    const domainId = parent?.domainId ?? pick(domains);
    projects.push({ id, domainId, parentId: parent?.id ?? domainId });
  }
  const users = ids('u', 1 + upTo(3));
  const groups = ids('g', upTo(3));
  const members = groups.flatMap((groupId) => users.filter(() => upTo(1) === 0).map((userId) => ({ userId, groupId })));
  const roles = ids('r', 1 + upTo(6)).map((id) => ({ id, name: `${prefix}${pick(['x', 'y'])}-${id}`, domainId: upTo(3) === 0 ? pick(domains) : null }));
  const implications = unique(times(upTo(8), () => ({ prior: pick(roles).id, implied: pick(roles).id })).filter(({ prior, implied }) => prior !== implied));
  const given = unique(times(upTo(8), () => {
    const group = groups.length > 0 && upTo(1) === 0 ? pick(groups) : null;
    const on: GivenRole['on'] = [() => ({ kind: 'project' as const, id: pick(projects).id }), () => ({ kind: 'domain' as const, id: pick(domains) }), () => ({ kind: 'system' as const })][Math.min(upTo(4), 4) % 3]!();
    return { roleId: pick(roles).id, userId: group === null ? pick(users) : null, groupId: group, on, inherited: on.kind !== 'system' && upTo(1) === 0 };
  }));
  return { domains, projects, users, groups, members, roles, implications, given };
}

/** Every scope of a world. */
export function scopesOf(world: RoleWorld): RoleScope[] {
  return [
    ...world.projects.map(({ id, domainId }) => ({ kind: 'project' as const, id, domainId, aboveIds: above(world, id) })),
    ...world.domains.map((id) => ({ kind: 'domain' as const, id })), { kind: 'system' },
  ];
}

/** Ids of the roles that a user holds in a scope, sorted; the cloud's own roles only. */
export function slowRoles(world: RoleWorld, userId: string, scope: Pick<RoleScope, 'kind'> & { id?: string }): string[] {
  const nameOf = (on: { kind: string; id?: string }): string => `${on.kind}/${on.id ?? ''}`;
  const name = nameOf(scope);
  const held = new Set<string>();
  for (const it of world.given) {
    const users = it.userId !== null ? [it.userId] : world.members.filter((member) => member.groupId === it.groupId).map((member) => member.userId);
    const places = !it.inherited ? [nameOf(it.on)]
      : world.projects.filter((project) => it.on.kind === 'domain' ? project.domainId === it.on.id : it.on.kind === 'project' && above(world, project.id).includes(it.on.id)).map((project) => `project/${project.id}`);
    for (const user of users) for (const place of places) if (user === userId && place === name) held.add(it.roleId);
  }
  for (let size = -1; size !== held.size;) {
    size = held.size;
    for (const { prior, implied } of world.implications) if (held.has(prior)) held.add(implied);
  }
  return [...held].filter((id) => world.roles.find((role) => role.id === id)?.domainId === null).sort();
}

function above({ projects }: RoleWorld, id: string): string[] {
  const parent = projects.find((project) => project.id === projects.find((own) => own.id === id)?.parentId);
  return parent === undefined ? [] : [parent.id, ...above({ projects } as RoleWorld, parent.id)];
}

function unique<T>(list: T[]): T[] {
  return [...new Map(list.map((it) => [JSON.stringify(it), it])).values()];
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
