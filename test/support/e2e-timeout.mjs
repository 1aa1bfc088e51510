import { jest } from '@jest/globals';

// Guests boot under plain emulation here, on machines that may be several times slower than a quiet one: a bound against hanging only.
jest.setTimeout(600_000);
