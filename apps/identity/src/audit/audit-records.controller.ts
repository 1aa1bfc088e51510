import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { enforce } from '#libs/auth';
import { listAuditRecords, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { AuditRecordsRepository } from './audit-records.repository.js';

/** What happened in all services, for admins. */
@Controller()
export class AuditRecordsController {
  constructor(private readonly records: AuditRecordsRepository) {}

  @Handles(listAuditRecords)
  async list(@Payload() { caller, filters, order, marker, limit }: ReceivedBy<typeof listAuditRecords>): Promise<OutputOf<typeof listAuditRecords>> {
    enforce('skylite:audit:list', caller);
    return order === 'newest' ? this.records.newest(filters, marker, limit) : this.records.inOrder(filters, marker, limit);
  }
}
