import type { LostPlace } from '../application-credentials/dead-credentials.repository.js';

interface Where { projectId?: string; domainId?: string; roleId?: string }

/**
 * Which of a user's tokens end with a role. Given on a project itself: those for it. Elsewhere all: a token does not say where
 * its roles came from, and one of an application credential may name only a role that followed from the one that went.
 */
export const tokensFrom = ({ projectId, inherited }: LostPlace): Where => (projectId !== null && !inherited ? { projectId } : {});

/**
 * Which tokens of anybody end, where the users are too many to be named. On the system there are no application credentials:
 * every token has the role itself.
 */
export function everybodyOn(places: readonly LostPlace[]): Where[] {
  const all = places.map((place): Where => {
    if (place.projectId !== null && !place.inherited) return { projectId: place.projectId };
    const domainId = place.domainId ?? place.projectDomainId;
    return domainId === null ? { roleId: place.roleId } : { domainId };
  });
  return [...new Map(all.map((where) => [JSON.stringify(where), where])).values()];
}
