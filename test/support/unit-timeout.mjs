import { jest } from '@jest/globals';

// A bound against hanging, no measure of speed: machines that run the tests may be many times slower than a quiet one.
jest.setTimeout(180_000);
