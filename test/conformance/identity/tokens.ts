import type { ConformanceTable } from '../command.js';

/** Without the admin's password and scope. */
const NOBODY = { OS_USERNAME: null, OS_PASSWORD: null, OS_USER_DOMAIN_ID: null, OS_PROJECT_NAME: null, OS_PROJECT_DOMAIN_ID: null };
const UNSCOPED = { OS_PROJECT_NAME: null, OS_PROJECT_DOMAIN_ID: null };
const MACHINE = { ...NOBODY, OS_AUTH_TYPE: 'v3applicationcredential', OS_APPLICATION_CREDENTIAL_ID: '{app}', OS_APPLICATION_CREDENTIAL_SECRET: '{secret}' };
const RULED = { ...MACHINE, OS_APPLICATION_CREDENTIAL_ID: '{ruled}', OS_APPLICATION_CREDENTIAL_SECRET: '{ruledSecret}' };

/** Tokens and their scopes, application credentials and access rules. */
export const table: ConformanceTable = {
  name: 'tokens',
  commands: [
    // tokens
    { words: ['token', 'issue'], json: { expires: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000$/, project_id: /^[0-9a-f]{32}$/, user_id: /^[0-9a-f]{32}$/ }, keep: { token: 'id', project: 'project_id', user: 'user_id' } },
    { words: ['project', 'list', '--my-projects'], env: { ...NOBODY, OS_AUTH_TYPE: 'v3token', OS_TOKEN: '{token}' }, json: [{ ID: '{project}', Name: 'admin' }] },
    { words: ['token', 'issue'], env: { ...NOBODY, OS_AUTH_TYPE: 'v3token', OS_TOKEN: '{token}', OS_PROJECT_NAME: 'demo', OS_PROJECT_DOMAIN_ID: 'default' }, json: { user_id: '{user}' } },
    { words: ['token', 'revoke', '{token}'], text: /^$/ },
    { words: ['project', 'list'], env: { ...NOBODY, OS_AUTH_TYPE: 'v3token', OS_TOKEN: '{token}' }, fails: /HTTP 401/ },
    { words: ['token', 'revoke', '{token}'], fails: /HTTP 404/ },
    { words: ['token', 'issue'], env: UNSCOPED, json: { user_id: '{user}' } },
    { words: ['token', 'issue'], env: { ...UNSCOPED, OS_SYSTEM_SCOPE: 'all' }, json: { system: 'all', user_id: '{user}' } },
    { words: ['user', 'list'], env: { ...UNSCOPED, OS_SYSTEM_SCOPE: 'all' }, json: [{ Name: 'admin' }] },
    { words: ['role', 'add', '--user', '{user}', '--domain', 'default', 'manager'], text: /^$/ },
    { words: ['token', 'issue'], env: { ...UNSCOPED, OS_DOMAIN_ID: 'default' }, json: { domain_id: 'default' } },
    { words: ['role', 'remove', '--user', '{user}', '--domain', 'default', 'manager'], text: /^$/ },
    { words: ['token', 'issue'], env: { ...UNSCOPED, OS_DOMAIN_ID: 'default' }, fails: /HTTP 401/ },
    { words: ['token', 'issue'], env: { OS_PASSWORD: 'certainly-wrong' }, fails: /The request you have made requires authentication.*HTTP 401/s },
    { words: ['token', 'issue'], env: { OS_PROJECT_NAME: 'conf-nothing' }, fails: /HTTP 401/ },
    { words: ['catalog', 'list'], json: [{ Name: 'keystone', Type: 'identity' }, { Name: 'nova', Type: 'compute' }, { Name: 'glance', Type: 'image' }] },
    { words: ['catalog', 'show', 'compute'], json: { name: 'nova', type: 'compute' } },

    // application credentials
    { words: ['application', 'credential', 'create', '--description', 'For a machine', '--role', 'reader', '--expiration', '2035-01-31T12:00:00', 'conf-app'],
      json: { name: 'conf-app', description: 'For a machine', project_id: '{project}', roles: 'reader', unrestricted: false, secret: /^[\w-]{43}$/, expires_at: '2035-01-31T12:00:00.000000' }, keep: { app: 'id', secret: 'secret' } },
    { words: ['application', 'credential', 'create', 'conf-app'], fails: /HTTP 409/ },
    { words: ['application', 'credential', 'create', '--role', 'service', 'conf-other'], fails: /HTTP 400/ },
    { words: ['application', 'credential', 'create', '--expiration', '2020-01-01T00:00:00', 'conf-other'], fails: /HTTP 400/ },
    { words: ['application', 'credential', 'list'], json: [{ ID: '{app}', Name: 'conf-app', 'Project ID': '{project}' }] },
    { words: ['application', 'credential', 'show', 'conf-app'], json: { id: '{app}', roles: 'reader' } },
    { words: ['token', 'issue'], env: MACHINE, json: { project_id: '{project}', user_id: '{user}' } },
    { words: ['server', 'list'], env: MACHINE, json: [] },
    { words: ['project', 'create', 'conf-never'], env: MACHINE, fails: /HTTP 403/ },
    { words: ['application', 'credential', 'create', 'conf-child'], env: MACHINE, fails: /HTTP 403/ },
    { words: ['token', 'issue'], env: { ...MACHINE, OS_PROJECT_NAME: 'admin', OS_PROJECT_DOMAIN_ID: 'default' }, fails: /Application credentials cannot request a scope.*HTTP 401/s },
    { words: ['token', 'issue'], env: { ...MACHINE, OS_APPLICATION_CREDENTIAL_SECRET: 'wrong' }, fails: /HTTP 401/ },
    { words: ['application', 'credential', 'delete', 'conf-app'], text: /^$/ },
    { words: ['token', 'issue'], env: MACHINE, fails: /HTTP 401/ },

    // access rules
    { words: ['application', 'credential', 'create', '--access-rules', '[{"service":"identity","method":"GET","path":"/v3/projects/*"}]', 'conf-ruled'],
      json: { name: 'conf-ruled' }, keep: { ruled: 'id', ruledSecret: 'secret' } },
    { words: ['project', 'show', '{project}'], env: RULED, json: { name: 'admin' } },
    { words: ['user', 'show', '{user}'], env: RULED, fails: /HTTP 401/ },
    { words: ['server', 'list'], env: RULED, fails: /401/ },
    { words: ['access', 'rule', 'list'], json: [{ Service: 'identity', Method: 'GET', Path: '/v3/projects/*' }] },
    { words: ['application', 'credential', 'delete', 'conf-ruled'], text: /^$/ },
    { words: ['project', 'show', '{project}'], env: RULED, fails: /HTTP 401/ },
  ],
};
