import type { ConformanceTable } from '../command.js';

const NO_PROJECT = { OS_PROJECT_NAME: null, OS_PROJECT_ID: null, OS_PROJECT_DOMAIN_ID: null, OS_PROJECT_DOMAIN_NAME: null };
const AS_MANAGER = { ...NO_PROJECT, OS_USERNAME: 'conf-manager', OS_PASSWORD: 'manager-password', OS_DOMAIN_NAME: 'conf-managed' };
const AS_AUDITOR = { ...NO_PROJECT, OS_USERNAME: 'conf-auditor', OS_PASSWORD: 'auditor-password', OS_SYSTEM_SCOPE: 'all' };
const AS_READER = { OS_USERNAME: 'conf-reader', OS_PASSWORD: 'reader-password', OS_PROJECT_NAME: 'demo' };
/** What one may not see, the client does not find. */
const UNSEEN = /No user with a name or ID of|HTTP 403/;
const DENIED = /not authorized to perform the requested action|HTTP 403|Policy doesn't allow/;

/** Who may do what: a domain's manager, a reader of the system, a reader of a project. */
export const table: ConformanceTable = {
  name: 'policy',
  commands: [
    { words: ['domain', 'create', 'conf-managed'], keep: { domain: 'id' } },
    { words: ['user', 'create', '--domain', 'default', '--password', 'manager-password', 'conf-manager'] },
    { words: ['user', 'create', '--domain', 'default', '--password', 'auditor-password', 'conf-auditor'] },
    { words: ['user', 'create', '--domain', 'default', '--password', 'reader-password', 'conf-reader'], keep: { reader: 'id' } },
    { words: ['role', 'add', '--domain', '{domain}', '--user', 'conf-manager', 'manager'], text: /^$/ },
    { words: ['role', 'add', '--system', 'all', '--user', 'conf-auditor', 'reader'], text: /^$/ },
    { words: ['role', 'add', '--project', 'demo', '--user', 'conf-reader', 'reader'], text: /^$/ },

    // a domain's manager: everything within, nothing beyond, and no admin
    { words: ['user', 'create', '--domain', '{domain}', '--password', 'theirs-password', 'conf-theirs'], env: AS_MANAGER, keep: { theirs: 'id' } },
    { words: ['project', 'create', '--domain', '{domain}', 'conf-their-project'], env: AS_MANAGER, keep: { project: 'id' } },
    { words: ['group', 'create', '--domain', '{domain}', 'conf-their-group'], env: AS_MANAGER, keep: { group: 'id' } },
    { words: ['group', 'add', 'user', '{group}', '{theirs}'], env: AS_MANAGER, text: /^$/ },
    { words: ['role', 'add', '--project', '{project}', '--user', '{theirs}', 'member'], env: AS_MANAGER, text: /^$/ },
    { words: ['role', 'add', '--project', '{project}', '--user', '{theirs}', 'admin'], env: AS_MANAGER, fails: DENIED },
    { words: ['role', 'add', '--domain', '{domain}', '--user', '{theirs}', 'admin'], env: AS_MANAGER, fails: DENIED },
    { words: ['user', 'list', '--domain', '{domain}'], env: AS_MANAGER, json: [{ Name: 'conf-theirs' }], without: [{ Name: 'admin' }] },
    { words: ['user', 'set', '--disable', '{reader}'], env: AS_MANAGER, fails: UNSEEN },
    { words: ['user', 'create', '--domain', 'default', '--password', 'elsewhere-password', 'conf-elsewhere'], env: AS_MANAGER, fails: DENIED },
    { words: ['group', 'add', 'user', '{group}', '{reader}'], env: AS_MANAGER, fails: UNSEEN },
    { words: ['role', 'create', 'conf-of-my-own'], env: AS_MANAGER, fails: DENIED },
    { words: ['domain', 'create', 'conf-another'], env: AS_MANAGER, fails: DENIED },
    { words: ['role', 'remove', '--project', '{project}', '--user', '{theirs}', 'member'], env: AS_MANAGER, text: /^$/ },

    // a reader of the system: sees all of identity, changes nothing
    { words: ['user', 'list', '--domain', 'default'], env: AS_AUDITOR, json: [{ Name: 'admin' }, { Name: 'conf-reader' }] },
    { words: ['role', 'assignment', 'list', '--names'], env: AS_AUDITOR, json: [{ User: 'conf-manager@Default', Role: 'manager', Domain: 'conf-managed' }] },
    { words: ['user', 'set', '--disable', '{reader}'], env: AS_AUDITOR, fails: DENIED },
    { words: ['project', 'create', '--domain', '{domain}', 'conf-no'], env: AS_AUDITOR, fails: DENIED },

    // a reader of a project: looks, and changes nothing
    { words: ['server', 'list'], env: AS_READER, json: [] },
    { words: ['image', 'list'], env: AS_READER, json: [] },
    { words: ['server', 'group', 'create', '--policy', 'affinity', 'conf-no'], env: AS_READER, fails: DENIED },
    { words: ['hypervisor', 'list'], env: AS_READER, fails: DENIED },
    { words: ['user', 'list'], env: AS_READER, fails: DENIED },

    { words: ['user', 'delete', '{theirs}', 'conf-manager', 'conf-auditor', 'conf-reader'], text: /^$/ },
    { words: ['domain', 'set', '--disable', 'conf-managed'], text: /^$/ },
    { words: ['domain', 'delete', 'conf-managed'], text: /^$/ },
  ],
};
