import { jest } from '@jest/globals';

// Real daemons start and stop, and the machine may be several times slower than a quiet one: a bound against hanging only.
jest.setTimeout(600_000);
