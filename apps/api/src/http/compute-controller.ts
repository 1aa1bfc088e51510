import { applyDecorators, Controller } from '@nestjs/common';

/** 32 hex digits, with or without dashes: what identity makes, and what older endpoints carried. */
const PROJECT = ':projectId([0-9a-f]{32})';

/**
 * A controller under /compute/v2.1. Clients configured with an endpoint of the old kind put their project's id after
 * the version: both forms reach the same handlers.
 */
export const ComputeController = (path = ''): ClassDecorator =>
  applyDecorators(Controller([`compute/v2.1/${path}`, `compute/v2.1/${PROJECT}/${path}`].map((full) => full.replace(/\/$/, ''))));
