import type { ServerGroup } from '#libs/contracts';
import type { Microversion } from './microversion.js';
import { has } from './version-table.js';

/** Before 2.64 a list of one policy, and metadata that is always empty. */
export const serverGroupView = (group: ServerGroup, version: Microversion) => ({
  id: group.id,
  name: group.name,
  ...(has(version, 'server-group.rules')
    ? { policy: group.policy, rules: group.maxServerPerHost === null ? {} : { max_server_per_host: group.maxServerPerHost } }
    : { policies: [group.policy], metadata: {} }),
  members: group.members,
  ...(has(version, 'server-group.owner') && { project_id: group.projectId, user_id: group.userId }),
});
