import { Injectable } from '@nestjs/common';
import { allows, enforce, explainRule, ownOf } from '#libs/auth';
import { explainPolicy, type Caller, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { badRequest, notFound } from '#libs/errors';
import { effectiveRoles, type EffectiveRole, type Holder } from '../decide/effective-roles.js';
import { StandingRepository, type ScopeRef } from '../role-assignments/standing.repository.js';
import { ExplainPolicyRepository, type ExplainedUser } from './explain-policy.repository.js';

type Input = ReceivedBy<typeof explainPolicy>;
type Output = OutputOf<typeof explainPolicy>;
interface Standing { scope: Output['scope']; domainId: string; roles: Output['roles']; enabled: boolean }

/** May they, and why (not): the roles that a token of theirs would have, held against the one table. */
@Injectable()
export class ExplainPolicy {
  constructor(private readonly people: ExplainPolicyRepository, private readonly standing: StandingRepository) {}

  async run({ caller, rule, user: ref, scope: asked, target }: Input): Promise<Output> {
    const user = await this.userOf(caller, ref);
    const { scope, domainId, roles, enabled } = await this.standingOf(user, asked);
    // Whoever may ask about themselves alone hears nothing of what they have no part in, not even that it is there.
    if ((scope.kind === 'project' || scope.kind === 'domain') && roles.length === 0 && !allows('skylite:policy:explain', caller, {})) throw notFound(`There is no such ${scope.kind}.`);
    const subject: Caller = {
      userId: user.id, userName: user.name, projectId: scope.kind === 'project' ? scope.id : null, projectName: scope.kind === 'project' ? scope.name : null, domainId,
      ...(scope.kind === 'domain' && { scopeDomainId: scope.id }), ...(scope.kind === 'system' && { isSystem: true }),
      roles: roles.map(({ name }) => name), isAdmin: false, requestId: caller.requestId,
    };
    const verdict = explainRule(rule, subject, target ?? ownOf(subject));
    const refused = refusedToken(user, scope, roles, enabled);
    return { ...verdict, user, scope, roles, ...(refused !== undefined && { allowed: false, because: refused }) };
  }

  /** @throws forbidden before saying whether there is such a user, unless it is about oneself. */
  private async userOf(caller: Caller, ref: ScopeRef): Promise<ExplainedUser> {
    if (ref.id === undefined && ref.name === undefined) throw badRequest('Say whom it is about: the id or the name of a user.');
    const found = await this.people.users(ref);
    const [user, another] = found;
    enforce('skylite:policy:explain', caller, { userId: another === undefined ? user?.id : undefined });
    if (user === undefined) throw notFound('There is no such user.');
    if (another !== undefined) throw badRequest('Several domains have a user of that name: say which domain.');
    return user;
  }

  private async standingOf(user: ExplainedUser, { project, domain, system }: Input['scope']): Promise<Standing> {
    if (Number(project !== undefined) + Number(domain !== undefined) + Number(system === true) > 1) throw badRequest('A token is for one project, one domain, or the system.');
    if (project !== undefined) {
      const found = await this.standing.onProject(user.id, project.id !== undefined || project.domain !== undefined ? project : { ...project, domain: { id: user.domainId } });
      if (found === null) throw notFound('There is no such project.');
      return { scope: { kind: 'project', id: found.id, name: found.name }, domainId: found.domain.id, roles: await this.rolesOn(user.id, { kind: 'project', id: found.id }), enabled: found.enabled && found.domainEnabled };
    }
    if (domain !== undefined) {
      const found = await this.standing.onDomain(user.id, domain);
      if (found === null) throw notFound('There is no such domain.');
      return { scope: { kind: 'domain', id: found.id, name: found.name }, domainId: user.domainId, roles: await this.rolesOn(user.id, { kind: 'domain', id: found.id }), enabled: found.enabled };
    }
    if (system === true) {
      return { scope: { kind: 'system', id: 'all', name: null }, domainId: user.domainId, roles: await this.rolesOn(user.id, { kind: 'system' }), enabled: true };
    }
    return { scope: { kind: 'none', id: null, name: null }, domainId: user.domainId, roles: [], enabled: true };
  }

  private async rolesOn(userId: string, on: Holder): Promise<Output['roles']> {
    const known = await this.standing.factsOn(userId, on);
    if (known === null) return [];
    const effective = effectiveRoles(known.facts, known.scope);
    const names = await this.people.names(effective.flatMap(({ because: { groupId, on } }) => [...(groupId === null ? [] : [groupId]), ...('id' in on ? [on.id] : [])]));
    const roleNames = new Map(known.facts.roles.map(({ id, name }) => [id, name]));
    return effective.map((role) => ({ name: role.name, through: throughWords(role, names, roleNames) }));
  }
}

/** "member, given to the group ops on the domain Default for its projects; reader follows from it". */
function throughWords({ because: { groupId, on, inherited }, through }: EffectiveRole, names: ReadonlyMap<string, string>, roleNames: ReadonlyMap<string, string>): string {
  const called = (id: string): string => names.get(id) ?? id;
  const given = `${groupId === null ? 'assigned to the user' : `assigned to the group ${called(groupId)}`} on ${on.kind === 'system' ? 'the system' : `the ${on.kind} ${called(on.id)}`}${inherited ? ', for the projects below it' : ''}`;
  return through.length === 1 ? given : `implied: ${through.map((id) => roleNames.get(id) ?? id).join(' → ')}; the first ${given}`;
}

/** What keeps somebody from having such a token at all. */
function refusedToken(user: ExplainedUser, scope: Output['scope'], roles: Output['roles'], enabled: boolean): string | undefined {
  if (!user.enabled) return 'Denied: the user, or their domain, is disabled and gets no token.';
  if (!enabled) return `Denied: the ${scope.kind} is disabled, so there are no tokens for it.`;
  if (scope.kind !== 'none' && roles.length === 0) return `Denied: the user has no role on ${scope.kind === 'system' ? 'the system' : `this ${scope.kind}`}, so there is no token of theirs for it.`;
  return undefined;
}
