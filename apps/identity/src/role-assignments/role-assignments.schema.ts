import { z } from 'zod';
import { flag, paging } from '../http/queries.js';
import { name } from '../http/text.js';

/** Unknown parameters are ignored, as Keystone does. */
export const RoleAssignmentsQuery = z.object({
  'user.id': name.optional(), 'role.id': name.optional(), 'group.id': name.optional(),
  'scope.project.id': name.optional(), 'scope.domain.id': name.optional(), 'scope.system': name.optional(), 'scope.OS-INHERIT:inherited_to': name.optional(),
  include_names: flag.optional(), effective: flag.optional(), include_subtree: flag.optional(), ...paging,
}).superRefine((query, context) => {
  const both = (one: keyof typeof query, other: keyof typeof query, words: string): void => {
    if (query[one] !== undefined && query[other] !== undefined) context.addIssue({ code: 'custom', message: words });
  };
  both('scope.domain.id', 'scope.project.id', 'Specify a domain or project, not both');
  both('scope.domain.id', 'scope.system', 'Specify system or domain, not both');
  both('scope.project.id', 'scope.system', 'Specify system or project, not both');
  both('user.id', 'group.id', 'Specify a user or group, not both');
  if (query.effective === true) {
    if (query['group.id'] !== undefined) context.addIssue({ code: 'custom', message: 'Combining effective and group filter will always result in an empty list.' });
    if (inherited(query) === true && query['scope.domain.id'] !== undefined) context.addIssue({ code: 'custom', message: 'Combining effective, domain and inherited filters will always result in an empty list.' });
  }
  if (query.include_subtree === true && query['scope.project.id'] === undefined) context.addIssue({ code: 'custom', message: 'scope.project.id must be specified if include_subtree is also specified' });
});
export type RoleAssignmentsQuery = z.output<typeof RoleAssignmentsQuery>;

/** Asked for inherited ones, or for others only; undefined: for both. */
export const inherited = (query: { 'scope.OS-INHERIT:inherited_to'?: string | undefined }): boolean | undefined => {
  const asked = query['scope.OS-INHERIT:inherited_to'];
  return asked === undefined ? undefined : asked === 'projects';
};
