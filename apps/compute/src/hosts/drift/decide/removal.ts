/** The word by which a host removes what belongs to no server. Pure. */
import { ImageId, type DesiredInstance, type InstanceId } from '#libs/contracts';

/**
 * Above every generation that a server can have reached, so that a host which remembers an older word for this id takes it; ids
 * are never used again, so nothing later is held up by it.
 */
export const CLEANING_GENERATION = 1_000_000_000_000;

export const removalOf = (id: string): DesiredInstance => ({
  id: id as InstanceId, projectId: '', name: 'orphan', hostname: 'orphan', generation: CLEANING_GENERATION, specGeneration: 1, intent: 'deleted', rebootCount: 0, rebootType: 'hard',
  vcpus: 1, memoryMib: 1, diskGib: 0, image: { id: ImageId.parse('00000000-0000-4000-8000-000000000000'), sha512: '', sizeBytes: 0, virtualSizeBytes: null, format: 'raw' },
  configDrive: {}, diskGeneration: 1, powerOffTimeoutS: null, diskFrom: null, previous: null, diskLaunched: false, layout: null,
});
