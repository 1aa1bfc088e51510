import { Get, Inject, Param } from '@nestjs/common';
import { Policy } from '#libs/auth';
import { getServerDiagnostics } from '#libs/contracts';
import { BUS, type Bus } from '#libs/messaging';
import { asking, CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { serverIdOf } from '../servers/server-id.js';
import { DiagnosticsAnswer } from './diagnostics.schema.js';
import { diagnosticsView } from './diagnostics.view.js';

/** What a running guest has used so far, as its hypervisor counts. */
@ComputeController('servers/:id/diagnostics')
export class DiagnosticsController {
  constructor(@Inject(BUS) private readonly bus: Bus) {}

  @Get()
  @Policy('compute:diagnostics:get')
  @Describe({ summary: 'What a running server’s hypervisor counts', answers: { 200: DiagnosticsAnswer } })
  async get(@CallParam() { caller, version }: Call, @Param('id') id: string) {
    return diagnosticsView(await asking(this.bus, caller)(getServerDiagnostics, { instanceId: serverIdOf(id) }), version);
  }
}
