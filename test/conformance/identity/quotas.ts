import type { ConformanceTable } from '../command.js';

const AS_DEMO = { OS_USERNAME: 'conf-counted', OS_PASSWORD: 'counted-password', OS_PROJECT_NAME: 'conf-quotas', OS_PROJECT_ID: null };

/** Registered limits and limits, and the classic quota commands, which are views of the same. */
export const table: ConformanceTable = {
  name: 'quotas',
  commands: [
    // registered limits
    { words: ['registered', 'limit', 'list', '--service', 'compute', '--resource-name', 'servers'], json: [{ 'Resource Name': 'servers', 'Default Limit': 10, 'Region ID': null }] },
    { words: ['registered', 'limit', 'list', '--service', 'image'], json: [{ 'Resource Name': 'image_count_total' }, { 'Resource Name': 'image_size_total' }, { 'Resource Name': 'image_count_uploading' }, { 'Resource Name': 'image_stage_total' }] },
    { words: ['registered', 'limit', 'create', '--service', 'nova', '--default-limit', '2', '--description', 'cards', 'class:CONF_CARD'], json: { resource_name: 'class:CONF_CARD', default_limit: 2, description: 'cards', region_id: null }, keep: { card: 'id' } },
    { words: ['registered', 'limit', 'create', '--service', 'nova', '--default-limit', '2', 'class:CONF_CARD'], fails: /Duplicate entry.*HTTP 409/s },
    { words: ['registered', 'limit', 'create', '--service', 'nova', '--default-limit', '-2', 'class:CONF_OTHER'], fails: /less than the minimum of -1.*HTTP 400/s },
    { words: ['registered', 'limit', 'show', '{card}'], json: { id: '{card}', default_limit: 2 } },
    { words: ['registered', 'limit', 'set', '--default-limit', '3', '{card}'], json: { id: '{card}', default_limit: 3 } },

    // limits
    { words: ['project', 'create', 'conf-quotas'], keep: { project: 'id' } },
    { words: ['user', 'create', '--password', 'counted-password', 'conf-counted'], keep: { user: 'id' } },
    { words: ['role', 'add', '--project', 'conf-quotas', '--user', 'conf-counted', 'member'], text: /^$/ },
    { words: ['limit', 'create', '--project', 'conf-quotas', '--service', 'compute', '--resource-limit', '5', 'class:CONF_CARD'], json: { project_id: '{project}', resource_limit: 5, resource_name: 'class:CONF_CARD' }, keep: { limit: 'id' } },
    { words: ['limit', 'create', '--project', 'conf-quotas', '--service', 'compute', '--resource-limit', '5', 'class:CONF_CARD'], fails: /Duplicate entry.*HTTP 409/s },
    { words: ['limit', 'create', '--project', 'conf-quotas', '--service', 'compute', '--resource-limit', '5', 'class:CONF_NONE'], fails: /no corresponding registered limit.*HTTP 403/s },
    { words: ['limit', 'list', '--project', 'conf-quotas'], json: [{ 'ID': '{limit}', 'Project ID': '{project}', 'Resource Name': 'class:CONF_CARD', 'Resource Limit': 5 }] },
    { words: ['limit', 'set', '--resource-limit', '6', '--description', 'more', '{limit}'], json: { id: '{limit}', resource_limit: 6, description: 'more' } },
    { words: ['limit', 'show', '{limit}'], env: AS_DEMO, json: { id: '{limit}', resource_limit: 6 } },
    { words: ['limit', 'set', '--resource-limit', '99', '{limit}'], env: AS_DEMO, fails: /HTTP 403/ },
    { words: ['registered', 'limit', 'delete', '{card}'], fails: /limits? failed to delete|1 of 1/ },
    { words: ['limit', 'delete', '{limit}'], text: /^$/ },
    { words: ['limit', 'show', '{limit}'], fails: /Could not find limit.*HTTP 404/s },
    { words: ['registered', 'limit', 'delete', '{card}'], text: /^$/ },

    // quota sets
    { words: ['quota', 'show', 'conf-quotas'], json: { 'project': '{project}', 'cores': 20, 'instances': 10, 'ram': 51_200, 'key-pairs': 100, 'server-groups': 10 } },
    { words: ['quota', 'set', '--cores', '4', '--instances', '3', 'conf-quotas'], text: /^$/ },
    { words: ['quota', 'set', '--floating-ips', '5', 'conf-quotas'], fails: /Quota floating_ips cannot be changed here.*HTTP 400/s },
    { words: ['quota', 'show'], env: AS_DEMO, json: { cores: 4, instances: 3, ram: 51_200 } },
    { words: ['quota', 'show', '--default'], env: AS_DEMO, json: { cores: 20, instances: 10 } },
    { words: ['limit', 'list', '--project', 'conf-quotas', '--resource-name', 'servers'], json: [{ 'Resource Name': 'servers', 'Resource Limit': 3 }] },
    { words: ['limit', 'list'], env: AS_DEMO, json: [{ 'Resource Name': 'class:VCPU', 'Resource Limit': 4 }, { 'Resource Name': 'servers', 'Resource Limit': 3 }] },
    { words: ['limits', 'show', '--absolute'], env: AS_DEMO, json: [{ Name: 'maxTotalCores', Value: 4 }, { Name: 'maxTotalInstances', Value: 3 }, { Name: 'totalCoresUsed', Value: 0 }] },
    { words: ['quota', 'set', '--cores', '40', 'conf-quotas'], env: AS_DEMO, fails: /HTTP 403/ },
    { words: ['quota', 'set', '--class', '--server-groups', '11', 'default'], text: /^$/ },
    { words: ['registered', 'limit', 'list', '--resource-name', 'server_groups'], json: [{ 'Resource Name': 'server_groups', 'Default Limit': 11 }] },
    { words: ['quota', 'show', 'conf-quotas'], json: { 'server-groups': 11 } },
    { words: ['quota', 'set', '--class', '--server-groups', '10', 'default'], text: /^$/ },

    { words: ['user', 'delete', 'conf-counted'], text: /^$/ },
    { words: ['project', 'delete', 'conf-quotas'], text: /^$/ },
  ],
};
