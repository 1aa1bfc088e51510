// Correctness, not taste: types find most mistakes, these rules find the rest, and a few walls of the house.
import js from '@eslint/js';
import tseslint from 'typescript-eslint';

const nodeOnly = { patterns: [{ group: ['node:*', '@nestjs/*', '@prisma/*', '@nats-io/*', 'pg', '#libs/db', '#libs/messaging', '#libs/config'], message: 'decide/ is pure: facts come in as arguments, decisions go out as values.' }] };

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'libs/db/generated/', '.skylite/', 'coverage/', 'docs/'] },
  js.configs.recommended,
  ...tseslint.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2024, sourceType: 'module' },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports', prefer: 'type-imports', disallowTypeAnnotations: false }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' }],
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-empty-object-type': 'off',
      'no-console': 'error',
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx'] }],
      'max-lines': ['error', { max: 400 }],
      'max-params': ['error', { max: 7 }],
      eqeqeq: 'error',
    },
  },
  {
    // Nest reads constructor parameter types at run time: their imports must stay values.
    files: ['apps/**/*.ts', 'libs/**/*.ts'],
    rules: { '@typescript-eslint/consistent-type-imports': 'off' },
  },
  {
    files: ['**/decide/**/*.ts'],
    ignores: ['**/*.spec.ts'],
    rules: {
      'no-restricted-imports': ['error', nodeOnly],
      'no-restricted-globals': ['error', 'Date', 'setTimeout', 'setInterval', 'fetch', 'process', 'performance', 'crypto'],
      'no-restricted-properties': ['error', { object: 'Math', property: 'random' }, { object: 'Date', property: 'now' }],
      'no-restricted-syntax': ['error', { selector: ':function[async=true]', message: 'decide/ knows no waiting.' }],
    },
  },
  {
    files: ['apps/**/*.ts', 'libs/**/*.ts'],
    ignores: ['libs/config/**', '**/*.spec.ts'],
    rules: {
      'no-restricted-syntax': ['error',
        { selector: 'MemberExpression[object.name="process"][property.name="env"]', message: 'process.env is read in libs/config only.' },
        { selector: 'CallExpression[callee.property.name=/^useGlobal(Pipes|Filters|Guards|Interceptors)$/]', message: 'use APP_* providers, so that tests run the same application.' },
        { selector: 'ImportSpecifier[imported.name=/Exception$/]', message: 'throw a SkyError (#libs/errors); edges map it.' },
        { selector: 'CallExpression[callee.name="forwardRef"]', message: 'no forwardRef: the modules are cut wrong.' },
      ],
    },
  },
  { files: ['**/*.mjs'], languageOptions: { globals: Object.fromEntries(['process', 'console', 'fetch', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Buffer', 'URL', 'AbortSignal', 'AbortController', 'performance', 'TextDecoder', 'TextEncoder', 'structuredClone'].map((name) => [name, 'readonly'])) }, rules: { 'no-console': 'off' } },
);
