import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { explainPolicy, type OutputOf, type ReceivedBy } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { ExplainPolicy } from './explain-policy.js';

@Controller()
export class ExplainPolicyController {
  constructor(private readonly explain: ExplainPolicy) {}

  @Handles(explainPolicy)
  run(@Payload() input: ReceivedBy<typeof explainPolicy>): Promise<OutputOf<typeof explainPolicy>> {
    return this.explain.run(input);
  }
}
