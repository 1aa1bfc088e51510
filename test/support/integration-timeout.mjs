import { jest } from '@jest/globals';

// Real daemons start and stop.
jest.setTimeout(60_000);
