import type { WriteQuery } from './devices.schema.js';

/** The query of a write in the contracts' words. */
export const writing = (query: WriteQuery) => ({ dryRun: query.dry_run, yesReally: query.yes_really });
