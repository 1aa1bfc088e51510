import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { connectConsole, consoleEnded, createConsoleTicket, getServerDiagnostics, redeemConsoleTicket, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { Consoles } from './consoles.js';

@Controller()
export class ConsolesController {
  constructor(private readonly consoles: Consoles) {}

  @Handles(createConsoleTicket)
  createTicket(@Payload() input: ReceivedBy<typeof createConsoleTicket>): Promise<OutputOf<typeof createConsoleTicket>> { return this.consoles.createTicket(input); }

  @Handles(redeemConsoleTicket)
  redeem(@Payload() input: ReceivedBy<typeof redeemConsoleTicket>): Promise<OutputOf<typeof redeemConsoleTicket>> { return this.consoles.redeem(input); }

  @Handles(connectConsole)
  connect(@Payload() input: ReceivedBy<typeof connectConsole>): Promise<OutputOf<typeof connectConsole>> { return this.consoles.connect(input); }

  @Handles(consoleEnded)
  ended(@Payload() input: ReceivedBy<typeof consoleEnded>): Promise<OutputOf<typeof consoleEnded>> { return this.consoles.ended(input); }

  @Handles(getServerDiagnostics)
  diagnostics(@Payload() input: ReceivedBy<typeof getServerDiagnostics>): Promise<OutputOf<typeof getServerDiagnostics>> { return this.consoles.diagnostics(input); }
}
