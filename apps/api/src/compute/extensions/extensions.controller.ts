import { Get, Param } from '@nestjs/common';
import { Policy } from '#libs/auth';
import { notFound } from '#libs/errors';
import { CallParam, type Call } from '../../http/call.js';
import { ComputeController } from '../../http/compute-controller.js';
import { Describe } from '../../http/describe.js';
import { ExtensionAnswer, ExtensionList } from '../answers.js';
import { EXTENSIONS } from './extensions.js';

@ComputeController('extensions')
@Policy('compute:extensions:list')
export class ExtensionsController {
  @Get()
  @Describe({ summary: 'What of the API is offered', answers: { 200: ExtensionList } })
  list(@CallParam() _call: Call) {
    return { extensions: EXTENSIONS };
  }

  @Get(':alias')
  @Describe({ summary: 'One of them', answers: { 200: ExtensionAnswer } })
  get(@CallParam() _call: Call, @Param('alias') alias: string) {
    const extension = EXTENSIONS.find((each) => each.alias === alias);
    if (extension === undefined) throw notFound('The resource could not be found.');
    return { extension };
  }
}
