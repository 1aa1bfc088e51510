import { anyProjectReader, projectAdmin, projectMember, projectReader, type Rule } from './grants.js';

/** Rules of the image store: Glance's, with project scope. */
export const IMAGE_RULES = {
  // Which images one sees is their visibility's matter, decided by the store.
  'image:images:list': [anyProjectReader],
  'image:images:list-all': [projectAdmin],
  'image:images:get': [anyProjectReader],
  'image:images:download': [anyProjectReader],
  'image:images:create': [projectMember, projectAdmin],
  'image:images:update': [projectMember, projectAdmin],
  'image:images:upload': [projectMember, projectAdmin],
  'image:images:delete': [projectMember, projectAdmin],
  'image:images:deactivate': [projectAdmin],
  'image:images:publicize': [projectAdmin],
  'image:images:communitize': [projectMember, projectAdmin],
  'image:images:act-on-any': [projectAdmin],
  'image:tags:update': [projectMember, projectAdmin],
  'image:members:list': [anyProjectReader],
  'image:members:get': [anyProjectReader],
  'image:members:create': [projectMember, projectAdmin],
  // Said by the project that an image is shared with, of itself.
  'image:members:update': [projectMember, projectAdmin],
  'image:members:delete': [projectMember, projectAdmin],
  'image:schemas:get': [anyProjectReader],
  'image:stores:list': [anyProjectReader],
  'image:info:get': [anyProjectReader],
  'image:tasks:list': [anyProjectReader],
  'image:usage:get': [projectReader, projectAdmin],
} as const satisfies Record<string, Rule>;
