/**
 * Who may see an image and who may change it. Pure; performs nothing. Policy (what a role may do at all) was asked before.
 * A `shared` image is its owner's until members exist.
 */
import type { Caller } from '#libs/contracts';
import type { Image } from '../image.js';

type Who = Pick<Caller, 'isAdmin' | 'projectId'>;

const owns = (image: Pick<Image, 'owner'>, caller: Who): boolean => caller.projectId !== null && image.owner === caller.projectId;

export const canSee = (image: Pick<Image, 'owner' | 'visibility'>, caller: Who): boolean =>
  caller.isAdmin || owns(image, caller) || image.visibility === 'public' || image.visibility === 'community';

export const canChange = (image: Pick<Image, 'owner'>, caller: Who): boolean => caller.isAdmin || owns(image, caller);
