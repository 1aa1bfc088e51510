import type { Caller } from '#libs/contracts';
import { forbidden } from '#libs/errors';

type Predicate = (caller: Caller) => boolean;

/** Each role includes those to its right; identity writes them out in a token, this also holds for tokens that do not. */
const INCLUDES: Record<string, readonly string[]> = {
  reader: ['reader', 'member', 'manager', 'admin'],
  member: ['member', 'manager', 'admin'],
};
const holds = (caller: Caller, role: 'reader' | 'member'): boolean => caller.roles.some((held) => INCLUDES[role]?.includes(held));

/** Any good token, also an unscoped one. What of it one may see, the owning service decides by user or project. */
const anyone: Predicate = () => true;
/** May look at their project's things. */
const projectReader: Predicate = (caller) => caller.projectId !== null && holds(caller, 'reader');
/** May change their project's things. */
const projectMember: Predicate = (caller) => caller.projectId !== null && holds(caller, 'member');
const admin: Predicate = (caller) => caller.isAdmin;

/**
 * Rule -> who. Whether a thing is theirs (own project, own user) is decided where the thing is owned, with the
 * caller in hand; a rule whose name ends in `-all` or `-any` is asked there for what goes beyond one's own.
 */
export const POLICY_TABLE = {
  // identity
  'identity:tokens:validate': anyone, // one's own; another's: -any
  'identity:tokens:validate-any': admin,
  'identity:tokens:revoke': anyone,
  'identity:auth:catalog': anyone,
  'identity:auth:projects': anyone,
  'identity:auth:domains': anyone,
  'identity:projects:list': admin,
  'identity:projects:get': anyone, // one's own
  'identity:projects:get-any': admin,
  'identity:users:list': admin,
  'identity:users:get': anyone, // oneself
  'identity:users:get-any': admin,
  'identity:users:projects': anyone, // one's own
  'identity:domains:list': admin,
  'identity:domains:get': anyone, // one's own
  'identity:domains:get-any': admin,
  'identity:roles:list': admin,
  'identity:roles:get': admin,
  'identity:role-assignments:list': admin,
  'identity:services:list': admin,
  'identity:services:get': admin,
  'identity:endpoints:list': admin,
  'identity:endpoints:get': admin,
  'identity:regions:list': anyone,
  'identity:regions:get': anyone,

  // image
  'image:images:list': projectReader,
  'image:images:list-all': admin,
  'image:images:get': projectReader,
  'image:images:download': projectReader,
  'image:images:create': projectMember,
  'image:images:update': projectMember,
  'image:images:upload': projectMember,
  'image:images:delete': projectMember,
  'image:images:deactivate': admin,
  'image:images:publicize': admin,
  'image:images:communitize': projectMember,
  'image:images:act-on-any': admin,
  'image:tags:update': projectMember,
  'image:members:list': projectReader,
  'image:members:get': projectReader,
  'image:members:create': projectMember,
  'image:members:update': projectMember,
  'image:members:delete': projectMember,
  'image:schemas:get': projectReader,
  'image:stores:list': projectReader,
  'image:info:get': projectReader,
  'image:tasks:list': projectReader,

  // compute
  'compute:versions:get': anyone,
  'compute:extensions:list': anyone,
  'compute:servers:list': projectReader,
  'compute:servers:list-all': admin,
  'compute:servers:get': projectReader,
  'compute:servers:get-any': admin,
  'compute:servers:create': projectMember,
  'compute:servers:create-on-host': admin,
  'compute:servers:update': projectMember,
  'compute:servers:delete': projectMember,
  // Which action it is, is in the body: the door asks for the action's own rule next.
  'compute:servers:action': projectReader,
  'compute:servers:start': projectMember,
  'compute:servers:stop': projectMember,
  'compute:servers:reboot': projectMember,
  'compute:servers:pause': projectMember,
  'compute:servers:unpause': projectMember,
  'compute:servers:suspend': projectMember,
  'compute:servers:resume': projectMember,
  'compute:servers:lock': projectMember,
  'compute:servers:unlock': projectMember,
  'compute:servers:rebuild': projectMember,
  'compute:servers:resize': projectMember,
  'compute:servers:confirm-resize': projectMember,
  'compute:servers:revert-resize': projectMember,
  'compute:servers:migrate': admin,
  'compute:servers:evacuate': admin,
  'compute:servers:force-delete': projectMember,
  'compute:servers:reset-state': admin,
  'compute:servers:console-log': projectMember,
  'compute:servers:host-details': admin,
  'compute:server-metadata:list': projectReader,
  'compute:server-metadata:get': projectReader,
  'compute:server-metadata:update': projectMember,
  'compute:server-metadata:delete': projectMember,
  'compute:server-tags:list': projectReader,
  'compute:server-tags:update': projectMember,
  'compute:server-addresses:list': projectReader,
  'compute:server-topology:get': projectReader,
  'compute:server-interfaces:list': projectReader,
  'compute:server-volumes:list': projectReader,
  'compute:server-security-groups:list': projectReader,
  'compute:instance-actions:list': projectReader,
  'compute:instance-actions:get': projectReader,
  'compute:remote-consoles:create': projectMember,
  'compute:diagnostics:get': admin,
  'compute:flavors:list': projectReader,
  'compute:flavors:get': projectReader,
  'compute:flavors:list-hidden': admin,
  'compute:flavors:create': admin,
  'compute:flavors:update': admin,
  'compute:flavors:delete': admin,
  'compute:flavors:action': admin,
  'compute:flavor-access:list': admin,
  'compute:flavor-extra-specs:list': projectReader,
  'compute:flavor-extra-specs:get': projectReader,
  'compute:flavor-extra-specs:update': admin,
  'compute:flavor-extra-specs:delete': admin,
  'compute:keypairs:list': projectReader, // one's own; another user's: -any
  'compute:keypairs:get': projectReader,
  'compute:keypairs:create': projectReader,
  'compute:keypairs:delete': projectReader,
  'compute:keypairs:any-user': admin,
  'compute:server-groups:list': projectReader,
  'compute:server-groups:get': projectReader,
  'compute:server-groups:create': projectMember,
  'compute:server-groups:delete': projectMember,
  'compute:server-groups:list-all': admin,
  'compute:hypervisors:list': admin,
  'compute:hypervisors:get': admin,
  'compute:hosts:list': admin,
  'compute:hosts:get': admin,
  'compute:hosts:update': admin,
  'compute:services:list': admin,
  'compute:services:update': admin,
  'compute:aggregates:list': admin,
  'compute:aggregates:get': admin,
  'compute:aggregates:create': admin,
  'compute:aggregates:update': admin,
  'compute:aggregates:delete': admin,
  'compute:migrations:list': admin,
  'compute:server-migrations:list': admin,
  'compute:availability-zones:list': projectReader,
  'compute:availability-zones:detail': admin,
  'compute:limits:get': projectReader,
  'compute:limits:get-any': admin,
  'compute:quota-sets:get': projectReader,
  'compute:quota-sets:get-any': admin,
  'compute:quota-class-sets:get': admin,
  'compute:usage:get': projectReader,
  'compute:usage:get-any': admin,

  // placement: who owns hosts sees them; nobody writes
  'placement:resource-providers:list': admin,
  'placement:resource-providers:get': admin,
  'placement:inventories:list': admin,
  'placement:usages:list': admin,
  'placement:traits:list': admin,
  'placement:aggregates:list': admin,
  'placement:allocations:list': admin,
  'placement:resource-classes:list': admin,
  'placement:allocation-candidates:list': admin,
  'placement:write': admin,

  // Skylite's own /v1
  'skylite:hosts:list': admin,
  'skylite:hosts:get': admin,
  'skylite:hosts:update': admin,
  'skylite:hosts:fence': admin,
  'skylite:hosts:power': admin,
  'skylite:drift:list': admin,
  'skylite:drift:clean': admin,
  'skylite:drift:adopt': admin,
  'skylite:adoption:get': admin,
  'skylite:adoption:adopt': admin,
  'skylite:enrol-tokens:create': admin,
  'skylite:servers:inspect': admin,
  'skylite:servers:timeline': projectReader,
  'skylite:servers:scheduling': projectReader,
  'skylite:placement:fit': projectReader,
  'skylite:placement:capacity': projectReader,
  'skylite:placement:policy': admin,
  'skylite:zones:list': projectReader,
  'skylite:doctor:run': admin,
  'skylite:events:list': projectReader, // one's own project's; all: -all
  'skylite:events:list-all': admin,
} as const satisfies Record<string, Predicate>;

export type PolicyRule = keyof typeof POLICY_TABLE;

export const isRule = (name: string): name is PolicyRule => Object.hasOwn(POLICY_TABLE, name);

/** A rule that is not in the table allows nobody. */
export const allows = (rule: PolicyRule, caller: Caller): boolean => isRule(rule) && POLICY_TABLE[rule](caller);

/** @throws SkyError `forbidden`, in Keystone's and Nova's common words. */
export function enforce(rule: PolicyRule, caller: Caller): void {
  if (!allows(rule, caller)) throw forbidden(`You are not authorized to perform the requested action: ${rule}.`);
}
