import type { ConformanceTable } from '../command.js';

const SAYS = {
  trust: /Trusts are not offered here: an application credential.*HTTP 501/s, oauth: /use application credentials.*HTTP 501/s, federation: /Logins by other identity providers are not offered.*HTTP 501/s,
};

/** Parts of Keystone that are not here: who looks finds none, who wants to make one hears what to use instead. */
export const table: ConformanceTable = {
  name: 'extensions',
  commands: [
    { words: ['trust', 'list'], json: [] },
    { words: ['trust', 'create', '--project', 'demo', '--role', 'member', 'admin', 'demo'], fails: SAYS.trust },
    { words: ['policy', 'list'], json: [] },
    { words: ['policy', 'create', '/dev/null'], fails: /the one table there is.*HTTP 501/s },
    { words: ['consumer', 'list'], json: [] },
    { words: ['consumer', 'create'], fails: SAYS.oauth },
    { words: ['request', 'token', 'create', '--consumer-key', 'a', '--consumer-secret', 'b', '--project', 'demo'], fails: SAYS.oauth },
    { words: ['identity', 'provider', 'list'], json: [] },
    { words: ['identity', 'provider', 'create', 'conf-idp'], fails: SAYS.federation },
    { words: ['federation', 'project', 'list'], json: [{ Name: 'admin' }] },
    { words: ['federation', 'domain', 'list'], json: [] },
    { words: ['endpoint', 'group', 'list'], json: [] },
    { words: ['endpoint', 'list', '--project', 'demo'], json: [] },
  ],
};
