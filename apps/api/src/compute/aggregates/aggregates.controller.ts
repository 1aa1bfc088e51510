import { Get } from '@nestjs/common';
import { Policy } from '#libs/auth';
import { CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { AggregateList } from '../answers.js';

/** There are none; clients ask before they show a hypervisor. */
@ComputeController('os-aggregates')
export class AggregatesController {
  @Get()
  @Policy('compute:aggregates:list')
  @Describe({ summary: 'List host aggregates', answers: { 200: AggregateList } })
  list(@CallParam() _call: Call) {
    return { aggregates: [] };
  }
}
