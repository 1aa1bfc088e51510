import type { Caller } from '#libs/contracts';

/** What a token is for. `none`: it only says who somebody is. */
export type Scope = 'project' | 'domain' | 'system' | 'none';
export const SCOPES: readonly Scope[] = ['project', 'domain', 'system', 'none'];

/** `service` stands beside the ladder: other parts of a cloud have it, no person does. */
export const ROLES = ['reader', 'member', 'manager', 'admin', 'service'] as const;
export type RoleName = (typeof ROLES)[number];

/** Each role includes those below it; identity writes them out in a token, this also holds for tokens that do not. */
const INCLUDES: Readonly<Record<RoleName, readonly string[]>> = {
  reader: ['reader', 'member', 'manager', 'admin'],
  member: ['member', 'manager', 'admin'],
  manager: ['manager', 'admin'],
  admin: ['admin'],
  service: ['service'],
};

/** The roles that a domain's manager may give and take: never one above their own. */
export const MANAGED_ROLES: ReadonlySet<string> = new Set(['manager', 'member', 'reader']);

/**
 * Whose a thing has to be. `any`: anybody's. `project`: the token's project's. `user`: the user's own. `domain`: of the domain
 * that the token is for. `home`: of the domain that the token's project (or, without one, its user) lives in.
 */
export type Whose = 'any' | 'project' | 'user' | 'domain' | 'home';

/** One way of being allowed: this role (null: any or none), by a token of one of these scopes, for things of theirs. */
export interface Grant {
  readonly role: RoleName | null;
  readonly scopes: readonly Scope[];
  readonly whose: Whose;
  /** Only where all roles that are given or taken are among MANAGED_ROLES. */
  readonly managedRoles: boolean;
}

/** Any of these is enough; none of them, and it is denied. */
export type Rule = readonly Grant[];

/**
 * What of a thing decides about it. A field that a grant asks for and that is not here counts as somebody else's. Where a
 * thing touches several domains (a role given to a user of one on a project of another), all of them count.
 */
export interface PolicyTarget {
  readonly projectId?: string | null | undefined;
  readonly userId?: string | null | undefined;
  readonly domainId?: string | null | undefined | readonly (string | null | undefined)[];
  /** Names of the roles that are given or taken, with those that they imply. */
  readonly roleNames?: readonly string[] | undefined;
}

const may = (role: RoleName | null, scopes: readonly Scope[], whose: Whose = 'any', managedRoles = false): Grant => ({ role, scopes, whose, managedRoles });

/** Any good token, also an unscoped one. */
export const anyone = may(null, SCOPES);
/** Administrators of everything. A token for a domain is none: whoever has the admin role there is that domain's manager. */
export const admin = may('admin', ['project', 'system']);
/** The same for what lives in projects, where a token for the system has no place. */
export const projectAdmin = may('admin', ['project']);
export const systemReader = may('reader', ['system']);
/** Other parts of the cloud. */
export const service = may('service', ['project', 'system']);
export const domainReader = may('reader', ['domain'], 'domain');
export const domainManager = may('manager', ['domain'], 'domain');
/** The same where roles are given and taken. */
export const domainManagerOfRoles = may('manager', ['domain'], 'domain', true);
/** A manager of whatever domain, for what belongs to none: the roles there are. */
export const anyDomainManager = may('manager', ['domain']);
/** Whoever has a token for that domain. */
export const ofDomain = may(null, ['domain'], 'domain');
export const ofHomeDomain = may(null, SCOPES, 'home');
/** Whoever has a token for that project. */
export const ofProject = may(null, ['project'], 'project');
/** May look at their project's things. */
export const projectReader = may('reader', ['project'], 'project');
/** With a token for a project, of things that are in none, or whose owner is asked elsewhere. */
export const anyProjectReader = may('reader', ['project']);
/** May change their project's things. */
export const projectMember = may('member', ['project'], 'project');
export const oneself = may(null, SCOPES, 'user');
/** Oneself, with a token for a project. */
export const oneselfInProject = may(null, ['project'], 'user');
/** What is a user's own within a project's service. */
export const readerForOneself = may('reader', ['project'], 'user');

export const scopeOf = (caller: Pick<Caller, 'isSystem' | 'scopeDomainId' | 'projectId'>): Scope => {
  if (caller.isSystem === true) return 'system';
  if (typeof caller.scopeDomainId === 'string') return 'domain';
  return caller.projectId === null ? 'none' : 'project';
};

/** The target that is the caller's own in every respect. */
export const ownOf = (caller: Caller): PolicyTarget =>
  ({ projectId: caller.projectId, userId: caller.userId, domainId: caller.scopeDomainId ?? caller.domainId, roleNames: [] });

/** What keeps a grant from holding: nothing, if the list is empty. Words for an explanation. */
export function unmet(grant: Grant, caller: Caller, target: PolicyTarget): string[] {
  const reasons: string[] = [];
  const scope = scopeOf(caller);
  if (!grant.scopes.includes(scope)) reasons.push(`needs a token for ${orList(grant.scopes.map(scopeWords))}, and this one is for ${scopeWords(scope)}`);
  if (!holdsRole(grant.role, caller.roles)) reasons.push(`needs the role ${grant.role ?? ''}, and the token has ${caller.roles.length === 0 ? 'none' : caller.roles.join(', ')}`);
  if (!isTheirs(grant.whose, caller, target)) reasons.push(WHOSE_WORDS[grant.whose]);
  if (grant.managedRoles && !(target.roleNames ?? ['?']).every((name) => MANAGED_ROLES.has(name))) reasons.push(`only the roles ${[...MANAGED_ROLES].join(', ')} are a domain manager's to give and take`);
  return reasons;
}

/** The same without words: this runs with every request. */
export function holds(grant: Grant, caller: Caller, target: PolicyTarget): boolean {
  return grant.scopes.includes(scopeOf(caller)) && holdsRole(grant.role, caller.roles) && isTheirs(grant.whose, caller, target)
    && (!grant.managedRoles || (target.roleNames ?? ['?']).every((name) => MANAGED_ROLES.has(name)));
}

const holdsRole = (role: RoleName | null, held: readonly string[]): boolean => role === null || held.some((name) => INCLUDES[role].includes(name));

function isTheirs(whose: Whose, caller: Caller, target: PolicyTarget): boolean {
  switch (whose) {
    case 'any': return true;
    case 'project': return same(target.projectId, caller.projectId);
    case 'user': return same(target.userId, caller.userId);
    case 'domain': return allSame(target.domainId, caller.scopeDomainId);
    case 'home': return allSame(target.domainId, caller.domainId);
  }
}

/** Nothing is never the same as nothing. */
const same = (one: string | null | undefined, other: string | null | undefined): boolean => typeof one === 'string' && one !== '' && one === other;
const allSame = (domains: PolicyTarget['domainId'], own: string | null | undefined): boolean =>
  (Array.isArray(domains) ? domains.length > 0 && domains.every((one: string | null | undefined) => same(one, own)) : same(domains as string | null | undefined, own));

const WHOSE_WORDS: Readonly<Record<Whose, string>> = {
  any: '', project: "it is not the token's project's", user: 'it is not their own', domain: 'it is not of the domain that the token is for', home: 'it is not of their own domain',
};
const SCOPE_WORDS: Readonly<Record<Scope, string>> = { project: 'a project', domain: 'a domain', system: 'the system', none: 'nothing (unscoped)' };
const scopeWords = (scope: Scope): string => SCOPE_WORDS[scope];
const orList = (words: readonly string[]): string => (words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`);

/** A grant in words: "admin by project, system"; "manager by domain, of that domain". */
export function grantWords(grant: Grant): string {
  const whose: Readonly<Record<Whose, string>> = { any: '', project: ', of that project', user: ', their own', domain: ', of that domain', home: ', of their own domain' };
  const scopes = grant.scopes.length === SCOPES.length ? 'any token' : `${grant.scopes.join(', ')} token`;
  return `${grant.role ?? 'anybody'} by ${scopes}${whose[grant.whose]}${grant.managedRoles ? `, roles ${[...MANAGED_ROLES].join(', ')} only` : ''}`;
}
