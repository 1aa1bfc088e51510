import { Inject, Injectable } from '@nestjs/common';
import type { Flavor } from '#libs/contracts';
import { DATABASE, Prisma, type Database } from '#libs/db';
import { conflict } from '#libs/errors';

export interface FlavorFilter { isPublic: boolean | null; minDiskGib?: number | undefined; minRamMib?: number | undefined; limit: number; marker?: string | undefined }

type Row = Omit<Flavor, 'extraSpecs'> & { extraSpecs: Prisma.JsonValue; createdAt: Date };
const flavorOf = ({ createdAt: _, extraSpecs, ...rest }: Row): Flavor => ({ ...rest, extraSpecs: extraSpecs as Flavor['extraSpecs'] });

/** compute.flavors */
@Injectable()
export class FlavorsRepository {
  constructor(@Inject(DATABASE) private readonly db: Database) {}

  async find(id: string): Promise<Flavor | undefined> {
    const row = await this.db.prisma.flavor.findUnique({ where: { id } });
    return row ? flavorOf(row) : undefined;
  }

  /** In the order of ids, after `marker`; one more than `limit`, so that the caller sees whether there are more. */
  async list(filter: FlavorFilter): Promise<Flavor[]> {
    const rows = await this.db.prisma.flavor.findMany({
      where: {
        ...(filter.isPublic !== null && { isPublic: filter.isPublic }),
        ...(filter.minDiskGib !== undefined && { diskGib: { gte: filter.minDiskGib } }),
        ...(filter.minRamMib !== undefined && { ramMib: { gte: filter.minRamMib } }),
        ...(filter.marker !== undefined && { id: { gt: filter.marker } }),
      },
      orderBy: { id: 'asc' }, take: filter.limit + 1,
    });
    return rows.map(flavorOf);
  }

  async create(flavor: Flavor): Promise<Flavor> {
    try {
      return flavorOf(await this.db.prisma.flavor.create({ data: flavor }));
    } catch (error) {
      if (!(error instanceof Prisma.PrismaClientKnownRequestError) || error.code !== 'P2002') throw error;
      const sameId = await this.find(flavor.id);
      throw conflict(sameId ? `Flavor with ID ${flavor.id} already exists.` : `Flavor with name ${flavor.name} already exists.`);
    }
  }

  async delete(id: string): Promise<boolean> {
    return (await this.db.prisma.flavor.deleteMany({ where: { id } })).count > 0;
  }
}
