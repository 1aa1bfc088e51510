import { jest } from '@jest/globals';

// Guests boot under plain emulation here.
jest.setTimeout(300_000);
