import type { MigrationView } from '#libs/contracts';
import { microsNoZone } from './dates.js';
import { nextLinks, type LinkBase, type PageAsked } from './links.js';
import type { Microversion } from './microversion.js';
import { has } from './version-table.js';

export interface MigrationContext { readonly version: Microversion; readonly links: LinkBase }

/** A host here is one node, and is reached by its name. */
const places = ({ sourceHost, destinationHost }: MigrationView) => ({
  source_compute: sourceHost.name,
  source_node: sourceHost.name,
  dest_compute: destinationHost?.name ?? null,
  dest_node: destinationHost?.name ?? null,
  dest_host: destinationHost?.name ?? null,
});

/** Nova's own numbers of flavors are of no use to anyone outside it: the ids by which flavors are known stand there. */
const listed = (migration: MigrationView, version: Microversion) => ({
  id: migration.id,
  ...places(migration),
  status: migration.status,
  created_at: microsNoZone(migration.createdAt),
  updated_at: microsNoZone(migration.updatedAt),
  instance_uuid: migration.instanceId,
  old_instance_type_id: flavorNumber(migration.oldFlavor.id),
  new_instance_type_id: flavorNumber(migration.newFlavor.id),
  ...(has(version, 'migration.type') && { migration_type: migration.kind }),
  ...(has(version, 'migration.paging') && { uuid: migration.uuid }),
  ...(has(version, 'migration.owner') && { user_id: migration.userId, project_id: migration.projectId }),
});

const flavorNumber = (id: string): number | string => (/^\d{1,9}$/.test(id) ? Number(id) : id);

/** GET /os-migrations. `page` null: this list is not paged (before 2.59). */
export function migrationList(migrations: readonly MigrationView[], page: PageAsked | null, { version, links }: MigrationContext) {
  const next = page === null ? undefined : nextLinks(links, 'os-migrations', page, migrations.map(({ uuid }) => uuid));
  return { migrations: migrations.map((migration) => listed(migration, version)), ...(next && { migrations_links: next }) };
}
