// Which way imports go (docs/architecture.md). Every rule is an error; test/architecture breaks each once.
const layers = [
  ['contracts', 'errors'],
  ['openstack', 'config', 'observability', 'quota', 'reconcile', 'libvirt', 'pci', 'embedded-postgres'],
  ['messaging', 'db'],
  ['audit', 'auth', 'http'],
  ['testing'],
];
/** A lib may reach its own layer's lower neighbours and everything below; never above. */
const upward = layers.flatMap((names, level) => {
  const above = layers.slice(level + 1).flat();
  return above.length === 0 ? [] : [{
    name: `libs-layer-${level + 1}-never-looks-up`, severity: 'error', comment: 'libs import downwards only',
    from: { path: `^libs/(${names.join('|')})/`, pathNot: '\\.spec\\.ts$' }, to: { path: `^libs/(${above.join('|')})/` },
  }];
});

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...upward,
    { name: 'no-cycles', severity: 'error', comment: 'a cycle has no bottom to begin reading at', from: { pathNot: '^libs/db/generated/' }, to: { circular: true, pathNot: '^libs/db/generated/' } },
    { name: 'an-app-never-imports-another', severity: 'error', comment: 'apps talk over the bus; only the launcher composes them', from: { path: '^apps/([^/]+)/', pathNot: '^apps/launcher/' }, to: { path: '^apps/', pathNot: '^apps/$1/' } },
    { name: 'the-launcher-imports-modules-only', severity: 'error', from: { path: '^apps/launcher/' }, to: { path: '^apps/', pathNot: '^apps/(launcher/|[^/]+/src/[^/]+\\.module\\.ts$)' } },
    { name: 'libs-never-import-apps', severity: 'error', from: { path: '^libs/' }, to: { path: '^apps/' } },
    { name: 'libs-by-their-index-only', severity: 'error', comment: 'each lib has one door', from: { path: '^libs/([^/]+)/' }, to: { path: '^libs/[^/]+/(?!index\\.ts$)', pathNot: '^libs/$1/' } },
    { name: 'apps-reach-libs-by-their-index', severity: 'error', comment: 'each lib has one door', from: { path: '^apps/' }, to: { path: '^libs/[^/]+/(?!index\\.ts$)'} },
    { name: 'decide-is-pure', severity: 'error', from: { path: '/decide/', pathNot: '\\.spec\\.ts$' }, to: { path: ['^node:', '^(fs|path|crypto|os|child_process)$', '@nestjs', '^libs/(db|messaging|config)/', 'node_modules/pg', '@nats-io', '@prisma'] } },
    { name: 'prisma-and-pg-in-repositories-only', severity: 'error', from: { path: '^(apps|libs)/', pathNot: ['^libs/db/', '^libs/testing/', '\\.repository\\.ts$', '\\.spec\\.ts$'] }, to: { path: ['node_modules/(pg|@prisma)', '^libs/db/generated/'] } },
    { name: 'the-agent-has-no-database', severity: 'error', from: { path: '^apps/compute-agent/' }, to: { path: '^libs/db/', reachable: true } },
    { name: 'the-agent-has-no-nest', severity: 'error', comment: 'small, bundled: docs/decisions', from: { path: '^apps/compute-agent/', pathNot: '\\.spec\\.ts$' }, to: { path: '@nestjs/(core|common|platform)' } },
    { name: 'nats-in-messaging-only', severity: 'error', from: { path: '^(apps|libs)/', pathNot: '^libs/messaging/' }, to: { path: 'node_modules/@nats-io' } },
    { name: 'fastify-at-the-http-edge-only', severity: 'error', from: { path: '^(apps|libs)/', pathNot: ['^libs/http/', '\\.controller\\.ts$', '\\.spec\\.ts$'] }, to: { path: 'fastify', dependencyTypesNot: ['type-only'] } },
    { name: 'testing-stays-out-of-the-product', severity: 'error', from: { path: '^(apps|libs)/', pathNot: ['\\.spec\\.ts$', '^libs/testing/', '\\.contract\\.ts$'] }, to: { path: '^libs/testing/' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|node_modules/.*/node_modules)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { conditionNames: ['source', 'import', 'node', 'default'], exportsFields: ['exports'] },
  },
};
