import { getProjectLimits, getUsage, IdentityId, type Caller, type ProjectLimits } from '#libs/contracts';
import { badRequest, SkyError } from '#libs/errors';
import type { Bus } from '#libs/messaging';
import type { ProjectUsage } from '#libs/openstack';
import { asking } from '../../http/call.js';

const invalid = (projectId: string) => badRequest(`Project ID ${projectId.slice(0, 64)} is not a valid project.`);

/** Identity owns the limits; a project that it does not know is a wrong request. */
export async function projectLimits(bus: Bus, { requestId }: Caller, projectId: string): Promise<ProjectLimits> {
  if (!IdentityId.safeParse(projectId).success) throw invalid(projectId);
  try {
    const { limits, known } = await bus.ask(getProjectLimits, { projectId }, { requestId });
    if (known === false) throw invalid(projectId);
    return limits;
  } catch (error) {
    if (error instanceof SkyError && error.kind === 'not-found') throw invalid(projectId);
    throw error;
  }
}

/** Refuses an id that is no project's. */
export const checkProject = async (bus: Bus, caller: Caller, projectId: string): Promise<void> => void (await projectLimits(bus, caller, projectId));

export const projectUsage = (bus: Bus, caller: Caller, projectId: string): Promise<ProjectUsage> => asking(bus, caller)(getUsage, { projectId });
