import type { Ids } from '#libs/http';

/** Identity's ids: 32 hex digits. The repeat of a keyed request makes the same one. */
export const newId = (ids: Ids, label: string): string => ids.uuid(label).replaceAll('-', '');
