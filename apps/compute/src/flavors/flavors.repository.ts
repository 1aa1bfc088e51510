import { Inject, Injectable } from '@nestjs/common';
import { audited, type AuditEntry } from '#libs/audit';
import type { Caller, Flavor, FlavorSortKey } from '#libs/contracts';
import { DATABASE, HOT, type Database } from '#libs/db';
import { conflict } from '#libs/errors';

export interface FlavorFilter {
  /** true: public ones and those the caller's project has access to; false: those that are not public; null: both kinds. */
  isPublic: boolean | null;
  hideDisabled: boolean;
  minDiskGib?: number | undefined; minRamMib?: number | undefined;
  sortKey: FlavorSortKey; sortDirection: 'asc' | 'desc';
  limit: number; marker?: string | undefined;
}

const COLUMNS = `f.id, f.name, f.vcpus, f.ram_mib AS "ramMib", f.disk_gib AS "diskGib", f.ephemeral_gib AS "ephemeralGib", f.swap_mib AS "swapMib",
  f.rxtx_factor AS "rxtxFactor", f.is_public AS "isPublic", f.disabled, f.description, f.extra_specs AS "extraSpecs"`;

/** Texts compare by bytes, so that a page's end does not depend on a locale; what may be missing sorts first. */
const SORT: Readonly<Record<FlavorSortKey, (row: string) => string>> = {
  created_at: (row) => `${row}.created_at`, updated_at: (row) => `coalesce(${row}.updated_at, '-infinity')`,
  description: (row) => `coalesce(${row}.description, '') COLLATE "C"`, name: (row) => `${row}.name COLLATE "C"`, flavorid: (row) => `${row}.id COLLATE "C"`,
  id: (row) => `${row}.number`, disabled: (row) => `${row}.disabled`, is_public: (row) => `${row}.is_public`,
  ephemeral_gb: (row) => `${row}.ephemeral_gib`, memory_mb: (row) => `${row}.ram_mib`, root_gb: (row) => `${row}.disk_gib`, swap: (row) => `${row}.swap_mib`,
  rxtx_factor: (row) => `${row}.rxtx_factor`, vcpus: (row) => `${row}.vcpus`,
  // Nobody weighs flavors: all are alike.
  vcpu_weight: () => '0',
};

const accessible = (projectParam: string): string =>
  `EXISTS (SELECT 1 FROM compute.flavor_access a WHERE a.flavor_id = f.id AND a.project_id = ${projectParam})`;

const entry = (verb: string, id: string, detail: Record<string, unknown> = {}): AuditEntry => ({ service: 'compute', action: `flavors:${verb}`, target: { kind: 'flavor', id }, detail });

/** compute.flavors and compute.flavor_access */
@Injectable()
export class FlavorsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async find(id: string): Promise<Flavor | undefined> {
    const { rows } = await this.db.pool.query<Flavor>(`SELECT ${COLUMNS} FROM compute.flavors f WHERE f.id = $1`, [id]);
    return rows[0];
  }

  /** The flavor if this caller sees it: it is public, their project has access, or they are an admin. */
  async findFor({ isAdmin, projectId }: Pick<Caller, 'isAdmin' | 'projectId'>, id: string): Promise<Flavor | undefined> {
    const { rows } = await this.db.pool.query<Flavor>(
      `${HOT} SELECT ${COLUMNS} FROM compute.flavors f WHERE f.id = $1 AND ($2 OR f.is_public OR ${accessible('$3')})`, [id, isAdmin, projectId]);
    return rows[0];
  }

  /** After `marker` in the order asked for; one more than `limit`, so that the caller sees whether there are more. */
  async list(filter: FlavorFilter, projectId: string | null): Promise<Flavor[]> {
    const values: unknown[] = [];
    const param = (value: unknown): string => `$${values.push(value)}`;
    const descending = filter.sortDirection === 'desc';
    const key = SORT[filter.sortKey];
    const met = [
      ...(filter.isPublic === true ? [`(f.is_public OR ${accessible(param(projectId))})`] : []),
      ...(filter.isPublic === false ? ['NOT f.is_public'] : []),
      ...(filter.hideDisabled ? ['NOT f.disabled'] : []),
      ...(filter.minDiskGib !== undefined ? [`f.disk_gib >= ${param(filter.minDiskGib)}`] : []),
      ...(filter.minRamMib !== undefined ? [`f.ram_mib >= ${param(filter.minRamMib)}`] : []),
      ...(filter.marker !== undefined
        ? [`(${key('f')}, f.number) ${descending ? '<' : '>'} (SELECT ${key('m')}, m.number FROM compute.flavors m WHERE m.id = ${param(filter.marker)})`]
        : []),
    ];
    const direction = descending ? 'DESC' : 'ASC';
    const { rows } = await this.db.pool.query<Flavor>(`
      SELECT ${COLUMNS} FROM compute.flavors f WHERE ${met.length === 0 ? 'true' : met.join(' AND ')}
      ORDER BY ${filter.sortKey === 'vcpu_weight' ? '' : `${key('f')} ${direction}, `}f.number ${direction} LIMIT ${param(filter.limit + 1)}`, values);
    return rows;
  }

  async create(flavor: Flavor, by: Caller): Promise<Flavor> {
    const { rows } = await this.db.pool.query<Flavor>(...audited(by, entry('create', flavor.id, { name: flavor.name }), `
      INSERT INTO compute.flavors AS f (id, name, vcpus, ram_mib, disk_gib, ephemeral_gib, swap_mib, rxtx_factor, is_public, disabled, description, extra_specs)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING RETURNING ${COLUMNS}`, [
      flavor.id, flavor.name, flavor.vcpus, flavor.ramMib, flavor.diskGib, flavor.ephemeralGib, flavor.swapMib, flavor.rxtxFactor, flavor.isPublic, flavor.disabled,
      flavor.description, JSON.stringify(flavor.extraSpecs),
    ]));
    if (rows[0]) return rows[0];
    throw conflict(await this.find(flavor.id) ? `Flavor with ID ${flavor.id} already exists.` : `Flavor with name ${flavor.name} already exists.`);
  }

  async describe(id: string, description: string | null, by: Caller): Promise<Flavor | undefined> {
    const { rows } = await this.db.pool.query<Flavor>(...audited(by, entry('update', id, { changed: ['description'] }),
      `UPDATE compute.flavors AS f SET description = $2, updated_at = now() WHERE f.id = $1 RETURNING ${COLUMNS}`, [id, description]));
    return rows[0];
  }

  /** Undefined: no such flavor, or it would have more than `max`. */
  async setExtraSpecs(id: string, extraSpecs: Flavor['extraSpecs'], max: number, by: Caller): Promise<Flavor | undefined> {
    const { rows } = await this.db.pool.query<Flavor>(...audited(by, entry('update', id, { extraSpecs }), `
      UPDATE compute.flavors AS f SET extra_specs = f.extra_specs || $2::jsonb, updated_at = now()
      WHERE f.id = $1 AND (SELECT count(*) FROM jsonb_object_keys(f.extra_specs || $2::jsonb)) <= $3 RETURNING ${COLUMNS}`, [id, JSON.stringify(extraSpecs), max]));
    return rows[0];
  }

  /** Whether it was there. */
  async deleteExtraSpec(id: string, key: string, by: Caller): Promise<boolean> {
    const { rowCount } = await this.db.pool.query(...audited(by, entry('update', id, { removed: key }),
      'UPDATE compute.flavors SET extra_specs = extra_specs - $2::text, updated_at = now() WHERE id = $1 AND jsonb_exists(extra_specs, $2) RETURNING id', [id, key]));
    return (rowCount ?? 0) > 0;
  }

  async access(id: string): Promise<string[]> {
    const { rows } = await this.db.pool.query<{ project_id: string }>('SELECT project_id FROM compute.flavor_access WHERE flavor_id = $1 ORDER BY created_at, project_id', [id]);
    return rows.map((row) => row.project_id);
  }

  /** False: the project has access already, or the flavor is gone. */
  async addAccess(id: string, projectId: string, by: Caller): Promise<boolean> {
    const { rowCount } = await this.db.pool.query(...audited(by, entry('add-access', id, { projectId }),
      'INSERT INTO compute.flavor_access (flavor_id, project_id) SELECT f.id, $2 FROM compute.flavors f WHERE f.id = $1 FOR KEY SHARE ON CONFLICT DO NOTHING RETURNING flavor_id', [id, projectId]));
    return (rowCount ?? 0) > 0;
  }

  /** Whether it was there. */
  async removeAccess(id: string, projectId: string, by: Caller): Promise<boolean> {
    const { rowCount } = await this.db.pool.query(...audited(by, entry('remove-access', id, { projectId }), 'DELETE FROM compute.flavor_access WHERE flavor_id = $1 AND project_id = $2 RETURNING flavor_id', [id, projectId]));
    return (rowCount ?? 0) > 0;
  }

  /** Flavors that ask for devices of a class, by name. */
  async ofDeviceClass(className: string, limit: number): Promise<{ names: string[]; count: number }> {
    const { rows: [found] } = await this.db.pool.query<{ names: string[]; count: number }>(`
      SELECT coalesce((array_agg(f.name ORDER BY f.name COLLATE "C"))[:$2::int], '{}') AS names, count(*)::int AS count FROM compute.flavors f
      WHERE jsonb_exists(f.extra_specs, 'device:' || $1)
        OR EXISTS (SELECT FROM string_to_table(f.extra_specs ->> 'pci_passthrough:alias', ',') part WHERE btrim(split_part(part, ':', 1)) = $1)`, [className, limit]);
    return found!;
  }

  async delete(id: string, by: Caller): Promise<boolean> {
    return ((await this.db.pool.query(...audited(by, entry('delete', id), 'DELETE FROM compute.flavors WHERE id = $1 RETURNING id', [id]))).rowCount ?? 0) > 0;
  }
}
