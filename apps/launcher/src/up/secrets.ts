import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LauncherSecrets } from '#libs/config';
import { createNatsAuthority, createUserNkey, credsFile, natsServerConfig, signServiceUser, type NatsAuthority } from '#libs/messaging';
import { writeAtomically } from '../supervisor/spec.js';
import { runDirOf, type Home, type Settings } from './home.js';

const secret = (bytes = 24): string => randomBytes(bytes).toString('base64url');

/** Everything secret, generated at the first start and kept 0600. Later starts find it and change nothing. */
export async function ensureSecrets(home: Home, settings: Settings, databaseUrl: (password: string) => string): Promise<{ secrets: LauncherSecrets; databasePassword: string }> {
  const authority = await ensureAuthority(home);
  const passwordFile = join(home.secretsDir, 'postgres-superuser');
  if (!existsSync(passwordFile)) writeAtomically(passwordFile, secret());
  const databasePassword = readFileSync(passwordFile, 'utf8');
  if (!existsSync(home.secretsFile)) {
    const made: LauncherSecrets = {
      databaseUrl: databaseUrl(databasePassword),
      databasePasswords: { identity: secret(), image: secret(), scheduler: secret(), compute: secret(), api: secret() },
      adminPassword: secret(18), demoPassword: secret(18),
      imageUrlSecret: randomBytes(32).toString('hex'), idempotencySecret: randomBytes(32).toString('hex'), credentialKey: randomBytes(32).toString('hex'),
      natsAccountPublicKey: authority.accountPublicKey, natsSigningSeed: authority.signingSeed,
    };
    writeAtomically(home.secretsFile, JSON.stringify(made, null, 1));
  }
  const kept = JSON.parse(readFileSync(home.secretsFile, 'utf8')) as Partial<LauncherSecrets>;
  const secrets = LauncherSecrets.parse({
    ...kept, databaseUrl: databaseUrl(databasePassword),
    // What a home of an earlier version does not have yet.
    databasePasswords: { ...kept.databasePasswords, api: kept.databasePasswords?.api ?? secret() },
    idempotencySecret: kept.idempotencySecret ?? randomBytes(32).toString('hex'),
    credentialKey: kept.credentialKey ?? randomBytes(32).toString('hex'),
  });
  if (JSON.stringify(secrets) !== JSON.stringify(kept)) writeAtomically(home.secretsFile, JSON.stringify(secrets, null, 1));
  if (!existsSync(home.natsCreds)) {
    const key = createUserNkey();
    writeAtomically(home.natsCreds, credsFile(await signServiceUser(authority, key.publicNkey, 'launcher', ['api', 'identity', 'image', 'scheduler', 'compute']), key.seed));
  }
  mkdirSync(join(home.dir, 'nats'), { recursive: true, mode: 0o700 });
  writeAtomically(join(home.dir, 'nats/nats.conf'), natsServerConfig({
    listen: `${settings.bind}:${settings.natsPort}`, authority, serverName: `skylite-${settings.id}`, pidFile: join(runDirOf(settings), 'nats.pid'),
  }));
  return { secrets, databasePassword };
}

async function ensureAuthority(home: Home): Promise<NatsAuthority> {
  if (!existsSync(home.natsAuthorityFile)) writeAtomically(home.natsAuthorityFile, JSON.stringify(await createNatsAuthority('skylite')));
  return JSON.parse(readFileSync(home.natsAuthorityFile, 'utf8')) as NatsAuthority;
}

/** Files that clients load: environment and clouds.yaml. */
export function writeCredentials(home: Home, publicUrl: string, region: string, secrets: LauncherSecrets): void {
  const openrc = (user: string, project: string, password: string): string => [
    `# Credentials of ${user} on this Skylite: . ${project === 'admin' ? 'openrc' : 'demo-openrc'}`,
    ...Object.keys(UNSET).map((name) => `unset ${name}`),
    'export OS_IDENTITY_API_VERSION=3', `export OS_AUTH_URL=${publicUrl}/identity/v3`, `export OS_REGION_NAME=${region}`, 'export OS_INTERFACE=public',
    `export OS_USERNAME=${user}`, `export OS_PASSWORD='${password}'`, 'export OS_USER_DOMAIN_ID=default', `export OS_PROJECT_NAME=${project}`, 'export OS_PROJECT_DOMAIN_ID=default', '',
  ].join('\n');
  writeAtomically(home.openrc, openrc('admin', 'admin', secrets.adminPassword));
  writeAtomically(join(home.dir, 'demo-openrc'), openrc('demo', 'demo', secrets.demoPassword));
  const cloud = (name: string, user: string, password: string): string => `  ${name}:\n    auth:\n      auth_url: ${publicUrl}/identity/v3\n      username: ${user}\n      password: ${JSON.stringify(password)}\n      project_name: ${user}\n      user_domain_id: default\n      project_domain_id: default\n    region_name: ${region}\n    interface: public\n    identity_api_version: 3\n`;
  writeAtomically(join(home.dir, 'clouds.yaml'), `clouds:\n${cloud('skylite', 'admin', secrets.adminPassword)}${cloud('skylite-demo', 'demo', secrets.demoPassword)}`);
}

/** What another cloud's credentials may have left in the shell. */
const UNSET = { OS_CLOUD: 1, OS_TOKEN: 1, OS_AUTH_TYPE: 1, OS_USER_DOMAIN_NAME: 1, OS_PROJECT_DOMAIN_NAME: 1, OS_PROJECT_ID: 1, OS_TENANT_NAME: 1, OS_SYSTEM_SCOPE: 1, OS_DOMAIN_NAME: 1 };
