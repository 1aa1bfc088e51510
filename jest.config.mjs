// Four projects: unit (seconds, no daemons), architecture (reads the source tree), integration (real PostgreSQL,
// nats-server, libvirtd and QEMU, one part at a time), e2e (a whole cloud).
const common = {
  rootDir: '.',
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', { swcrc: true }] },
  moduleNameMapper: {
    '^#libs/([^/]+)$': '<rootDir>/libs/$1/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  moduleFileExtensions: ['ts', 'js', 'mjs', 'json', 'node'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.skylite/'],
  transformIgnorePatterns: ['/node_modules/'],
};

export default {
  projects: [
    { ...common, displayName: 'unit', testMatch: ['<rootDir>/apps/**/*.spec.ts', '<rootDir>/libs/**/*.spec.ts', '<rootDir>/deploy/**/*.spec.ts', '<rootDir>/test/support/*.spec.ts'], setupFilesAfterEnv: ['<rootDir>/test/support/unit-timeout.mjs'] },
    { ...common, displayName: 'architecture', testMatch: ['<rootDir>/test/architecture/*.spec.ts'], setupFilesAfterEnv: ['<rootDir>/test/support/unit-timeout.mjs'] },
    { ...common, displayName: 'integration', testMatch: ['<rootDir>/test/integration/*.spec.ts'], setupFiles: ['<rootDir>/test/support/integration-postgres.mjs'], setupFilesAfterEnv: ['<rootDir>/test/support/integration-timeout.mjs'], globalSetup: '<rootDir>/test/support/integration-setup.mjs', globalTeardown: '<rootDir>/test/support/integration-teardown.mjs' },
    { ...common, displayName: 'e2e', testMatch: ['<rootDir>/test/e2e/*.spec.ts'], setupFilesAfterEnv: ['<rootDir>/test/support/e2e-timeout.mjs'], globalSetup: '<rootDir>/test/support/e2e-setup.mjs', globalTeardown: '<rootDir>/test/support/e2e-teardown.mjs' },
  ],
};
