/**
 * The HTTP edge: the door (Fastify under Nest, with its limits), the mapping of our errors to each service's status
 * codes and bodies, input checks in each service's words, links. Translation only: decides nothing about resources.
 * Holds no state; a crash here loses the requests under way, which clients repeat.
 */
export { createDoor, type Answered, type DoorOptions } from './door.js';
export { ErrorFilter, answerError } from './error.filter.js';
export { errorBody, statusOf, type ErrorFacts } from './error-bodies.js';
export { HttpError } from './http-error.js';
export { idsOf, randomIds, unlessRepeated, type Begun, type IdempotencyOptions, type IdempotencyStore, type Ids, type KeyedRequest } from './idempotency.js';
export { IdsParam } from './ids-param.js';
export { ProjectBrakes, type BrakeOptions } from './project-brakes.js';
export { InvalidInput, ZodBody, ZodQuery, parseInput } from './zod-params.js';
export { inputMessage, quote, type InputProblem } from './input-problems.js';
export { publicUrl, type LinkRequest } from './public-url.js';
export { serviceOf, type Service } from './services.js';
export { DOOR_LOGGER } from './tokens.js';
export { LIMITS as HTTP_LIMITS } from './limits.js';
export { WebSockets, type Admission, type Upgrade, type WebSocketRoute } from './websockets.js';
export { closeReason, joinWebSockets, type JoinEnd, type JoinOptions } from './join-websockets.js';
