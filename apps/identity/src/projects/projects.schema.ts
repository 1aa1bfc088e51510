import { z } from 'zod';
import { bodyFlag, description, entityName, idText, ProtectOptions, Tags } from '../http/body.js';
import { flag, inexactName, paging, sortedBy } from '../http/queries.js';
import { name } from '../http/text.js';

const properties = {
  name: entityName(64), description: description.optional(), domain_id: idText.nullable().optional(), enabled: bodyFlag.optional(), is_domain: bodyFlag.optional(),
  parent_id: idText.nullable().optional(), options: ProtectOptions.optional(), tags: Tags.optional(),
};

/** Attributes of a project that we know; whatever else a client gives is kept beside them. */
export const PROJECT_KEYS = [...Object.keys(properties), 'parents', 'subtree'];

export const CreateProjectBody = z.strictObject({ project: z.looseObject(properties) });
export type CreateProjectBody = z.output<typeof CreateProjectBody>;
export const UpdateProjectBody = z.strictObject({ project: z.looseObject({ ...properties, name: properties.name.optional() }) });
export type UpdateProjectBody = z.output<typeof UpdateProjectBody>;
export const TagsBody = z.strictObject({ tags: Tags });
export type TagsBody = z.output<typeof TagsBody>;

const tagList = z.string().max(4_096).transform((text) => text.split(','));

export const ProjectsQuery = z.object({
  name: name.optional(), ...inexactName, domain_id: name.optional(), parent_id: name.optional(), enabled: flag.optional(), is_domain: flag.optional(),
  tags: tagList.optional(), 'tags-any': tagList.optional(), 'not-tags': tagList.optional(), 'not-tags-any': tagList.optional(), ...paging, ...sortedBy('id', 'name', 'enabled'),
});
export type ProjectsQuery = z.output<typeof ProjectsQuery>;

/** What of the tree around a project is told with it. */
export const ProjectQuery = z.object({ parents_as_list: flag.optional(), parents_as_ids: flag.optional(), subtree_as_list: flag.optional(), subtree_as_ids: flag.optional(), include_limits: flag.optional() })
  .refine((it) => !(it.parents_as_list === true && it.parents_as_ids === true), 'Cannot use parents_as_list and parents_as_ids query params at the same time.')
  .refine((it) => !(it.subtree_as_list === true && it.subtree_as_ids === true), 'Cannot use subtree_as_list and subtree_as_ids query params at the same time.');
export type ProjectQuery = z.output<typeof ProjectQuery>;
