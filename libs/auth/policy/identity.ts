import {
  admin, anyDomainManager, anyone, domainManager, domainManagerOfRoles, domainReader, oneself, oneselfInProject, ofDomain, ofHomeDomain, ofProject, service, systemReader, type Rule,
} from './grants.js';

/** For those who may look at everything, or at everything of their domain. */
const readers = [admin, systemReader, domainReader] as const;
/** The same for what belongs to no domain. */
const cloudReaders = [admin, systemReader] as const;
const managers = [admin, domainManager] as const;

/** Rules of identity: Keystone's, where nobody with a token for one domain reaches into another. */
export const IDENTITY_RULES = {
  'identity:tokens:validate': [anyone], // one's own; another's: -any
  'identity:tokens:validate-any': [...cloudReaders, service],
  'identity:tokens:revoke': [anyone], // one's own; another's: -any
  'identity:tokens:revoke-any': [admin],
  'identity:auth:catalog': [anyone],
  'identity:auth:projects': [anyone],
  'identity:auth:domains': [anyone],
  'identity:auth:system': [anyone],

  'identity:domains:list': readers,
  'identity:domains:get': [...readers, ofDomain, ofHomeDomain],
  'identity:domains:create': [admin],
  'identity:domains:update': [admin],
  'identity:domains:delete': [admin],
  'identity:projects:list': readers,
  'identity:projects:get': [...readers, ofProject],
  'identity:projects:create': managers,
  'identity:projects:update': managers,
  'identity:projects:delete': managers,
  'identity:project-tags:list': [...readers, ofProject],
  'identity:project-tags:get': [...readers, ofProject],
  'identity:project-tags:update': managers,
  'identity:project-tags:delete': managers,
  'identity:users:list': readers,
  'identity:users:get': [...readers, oneself],
  'identity:users:projects': [...readers, oneself],
  'identity:users:groups': [...readers, oneself],
  'identity:users:create': managers,
  'identity:users:update': managers,
  'identity:users:delete': managers,
  'identity:groups:list': readers,
  'identity:groups:get': readers,
  'identity:groups:create': managers,
  'identity:groups:update': managers,
  'identity:groups:delete': managers,
  // Who joins a group has its roles: the domains of both count.
  'identity:group-members:list': readers,
  'identity:group-members:check': readers,
  'identity:group-members:add': managers,
  'identity:group-members:remove': managers,

  'identity:roles:list': [...cloudReaders, anyDomainManager],
  'identity:roles:get': [...cloudReaders, anyDomainManager],
  'identity:roles:create': [admin],
  'identity:roles:update': [admin],
  'identity:roles:delete': [admin],
  'identity:domain-roles:list': readers,
  'identity:domain-roles:get': readers,
  'identity:domain-roles:create': [admin],
  'identity:domain-roles:update': [admin],
  'identity:domain-roles:delete': [admin],
  'identity:implied-roles:list': cloudReaders,
  'identity:implied-roles:get': cloudReaders,
  'identity:implied-roles:create': [admin],
  'identity:implied-roles:delete': [admin],
  'identity:role-inferences:list': cloudReaders,
  'identity:grants:list': readers,
  'identity:grants:check': readers,
  'identity:grants:create': [admin, domainManagerOfRoles],
  'identity:grants:revoke': [admin, domainManagerOfRoles],
  'identity:system-grants:list': cloudReaders,
  'identity:system-grants:check': cloudReaders,
  'identity:system-grants:create': [admin],
  'identity:system-grants:revoke': [admin],
  'identity:role-assignments:list': readers,
  'identity:role-assignments:list-tree': readers,

  'identity:services:list': cloudReaders,
  'identity:services:get': cloudReaders,
  'identity:services:create': [admin],
  'identity:services:update': [admin],
  'identity:services:delete': [admin],
  'identity:endpoints:list': cloudReaders,
  'identity:endpoints:get': cloudReaders,
  'identity:endpoints:create': [admin],
  'identity:endpoints:update': [admin],
  'identity:endpoints:delete': [admin],
  'identity:regions:list': [anyone],
  'identity:regions:get': [anyone],
  'identity:regions:create': [admin],
  'identity:regions:update': [admin],
  'identity:regions:delete': [admin],

  'identity:credentials:list': [...cloudReaders, oneself],
  'identity:credentials:get': [...cloudReaders, oneself],
  'identity:credentials:create': [admin, oneself],
  'identity:credentials:update': [admin, oneself],
  'identity:credentials:delete': [admin, oneself],
  'identity:application-credentials:list': [...cloudReaders, oneself],
  'identity:application-credentials:get': [...cloudReaders, oneself],
  // Never for somebody else, whoever asks: it would act in their name.
  'identity:application-credentials:create': [oneselfInProject],
  'identity:application-credentials:delete': [admin, oneself],
  'identity:access-rules:list': [...cloudReaders, oneself],
  'identity:access-rules:get': [...cloudReaders, oneself],
  'identity:access-rules:delete': [admin, oneself],

  'identity:registered-limits:list': [anyone],
  'identity:registered-limits:get': [anyone],
  'identity:registered-limits:create': [admin],
  'identity:registered-limits:update': [admin],
  'identity:registered-limits:delete': [admin],
  'identity:limits:list': [anyone], // those of one's own project or domain; others': get-any
  'identity:limits:get': [...cloudReaders, service, ofDomain, ofProject],
  'identity:limits:get-any': [...cloudReaders, service],
  'identity:limits:model': [anyone],
  'identity:limits:create': [admin],
  'identity:limits:update': [admin],
  'identity:limits:delete': [admin],

  'identity:domain-config:get': cloudReaders,
  'identity:password-rules:get': [anyone], // which is a domain's configuration in Keystone; the rest of that: domain-config:get
  'identity:domain-config:change': [admin],
  // Parts of Keystone that are not here: empty lists, and, whoever asks for a change, a word about what to use instead.
  'identity:not-offered:get': [anyone],
} as const satisfies Record<string, Rule>;
