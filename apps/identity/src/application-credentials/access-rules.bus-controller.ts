import { Controller } from '@nestjs/common';
import { getAccessRules, type InputOf, type OutputOf } from '#libs/contracts';
import { Handles } from '#libs/messaging';
import { ApplicationCredentialsRepository } from './application-credentials.repository.js';

/** Access rules for the doors, which keep to them. */
@Controller()
export class AccessRulesBusController {
  constructor(private readonly credentials: ApplicationCredentialsRepository) {}

  @Handles(getAccessRules)
  async get({ applicationCredentialId }: InputOf<typeof getAccessRules>): Promise<OutputOf<typeof getAccessRules>> {
    return { rules: await this.credentials.rulesOf(applicationCredentialId) };
  }
}
