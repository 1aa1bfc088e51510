/** Reports of one boot may arrive in another order than they were made: a lower one says nothing any more. Pure. */
export const isOvertaken = (stored: { bootId: string; sequence: number } | undefined, report: { bootId: string; sequence?: number | undefined }): boolean =>
  stored !== undefined && report.sequence !== undefined && stored.bootId === report.bootId && report.sequence < stored.sequence;
