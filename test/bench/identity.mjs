// Identity: tokens issued per second, by password (argon2id as it is configured) and by application credential, tokens
// validated per second over HTTP and inside a service; beside them what this machine does of bare argon2id and Ed25519.
// Aims: 3,000 validations a second over HTTP on two cores; a login by password within 1.3 times its hash's own time.
import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { connect } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Cloud, now, progress, root, round, summary } from './cloud.mjs';
import { inParallel, memory } from './storm.mjs';

const built = (path) => import(pathToFileURL(join(root, 'dist', path)).href);
const AIMS = { validated_http_per_s: 3_000, password_login_to_hash: 1.3 };
const TOKENS = '/identity/v3/auth/tokens';

export async function identity() {
  const { hashOnce, ...raw } = await machine();
  const inside = await insideAService();
  // A project's own brakes are for tenants; here one project asks for all.
  Object.assign(process.env, { SKYLITE_PROJECT_REQUESTS_PER_S: '1000000', SKYLITE_PROJECT_REQUESTS_BURST: '1000000', SKYLITE_PROJECT_READS_IN_FLIGHT: '100000' });
  const cloud = await Cloud.make();
  try {
    progress('up with one simulated host');
    cloud.up('--fleet', '1', '--no-local-host');
    await cloud.login();
    const before = memory(cloud);
    const issued = await issuing(cloud, hashOnce);
    const validated = await validating(cloud);
    const ratio = round(issued.password_one_by_one_ms.p50 / issued.hash_alone_meanwhile_ms.p50, 2);
    return {
      aims: AIMS, machine: raw, issued: { ...issued, password_login_to_hash: ratio }, validated: { http: validated, inside_a_service: inside },
      met: { validated_http_per_s: validated.at_16_per_s >= AIMS.validated_http_per_s, password_login_to_hash: ratio <= AIMS.password_login_to_hash },
      launcher_pss_mib: { before: before.launcher, after: memory(cloud).launcher },
    };
  } finally {
    cloud.end();
  }
}

/** What the machine does of the primitives alone. */
async function machine() {
  progress('argon2id and Ed25519 alone');
  const { PASSWORD_COST } = await built('apps/identity/src/limits.js');
  const { hash, verify: matches } = await import('@node-rs/argon2');
  const encoded = await hash('a password', PASSWORD_COST);
  const hashOnce = () => matches(encoded, 'a password');
  const one = await times(60, hashOnce);
  const two = await rate(120, 2, hashOnce);
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const bytes = randomBytes(700);
  const signature = sign(null, bytes, privateKey);
  return {
    hashOnce, argon2id: PASSWORD_COST, argon2id_ms: summary(one), argon2id_at_2_per_s: two,
    ed25519_sign_per_s: tight(() => sign(null, bytes, privateKey)), ed25519_verify_per_s: tight(() => verify(null, bytes, publicKey, signature)),
  };
}

/** A service's own check of tokens: new ones, and such as it has seen. */
async function insideAService() {
  progress('checks inside a service');
  const [{ makeSigningKey, signToken }, { TokenVerifier }] = await Promise.all([built('libs/auth/token.js'), built('libs/auth/token-verifier.js')]);
  const { key } = makeSigningKey('bench');
  const verifier = new TokenVerifier(() => Promise.resolve({ keys: [{ kid: key.kid, x: key.x }], revocations: { rows: [], horizon: '0', more: false } }));
  verifier.start();
  const second = Math.floor(Date.now() / 1_000);
  const id = () => randomBytes(16).toString('hex');
  const domain = { id: 'default', name: 'Default' };
  const tokens = Array.from({ length: 4_000 }, (_, n) => signToken(key, {
    auditId: randomBytes(16).toString('base64url'), parentAuditId: null, issuedAt: second, expiresAt: second + 3_600, methods: ['password'], snapshot: '1000:1001:',
    user: { id: id(), name: `user-${n}`, domain, passwordExpiresAt: null }, project: { id: id(), name: 'web', domain }, roles: [{ id: id(), name: 'member' }, { id: id(), name: 'reader' }],
  }));
  const heap = process.memoryUsage().heapUsed;
  const walk = async (repeats) => {
    const started = now();
    for (let n = 0; n < repeats; n += 1) for (const token of tokens) await verifier.verify(token);
    return Math.round((tokens.length * repeats * 1_000) / (now() - started));
  };
  const fresh = await walk(1);
  const kept = round((process.memoryUsage().heapUsed - heap) / 2 ** 20);
  const known = await walk(25);
  verifier.stop();
  return { new_per_s: fresh, known_per_s: known, token_chars: tokens[0].length, heap_mib_of_4000_known: kept };
}

async function issuing(cloud, hashOnce) {
  progress('logins');
  const scope = { project: { name: 'admin', domain: { id: 'default' } } };
  const password = { methods: ['password'], password: { user: { name: 'admin', domain: { id: 'default' }, password: cloud.secrets().adminPassword } } };
  const login = async (identityOf, wanted) => {
    const response = await fetch(`${cloud.base}${TOKENS}?nocatalog`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ auth: { identity: identityOf, ...(wanted && { scope: wanted }) } }) });
    const text = await response.text();
    if (response.status !== 201) throw new Error(`a login was answered ${response.status}: ${text}`);
    return JSON.parse(text).token;
  };
  const { user } = await login(password, scope);
  const { application_credential: made } = await cloud.call('POST', `/identity/v3/users/${user.id}/application_credentials`, { application_credential: { name: 'bench' } });
  const credential = { methods: ['application_credential'], application_credential: { id: made.id, secret: made.secret } };
  await rate(100, 8, () => login(credential));
  // In turn, so that both have the same neighbours.
  const [logins, hashes] = [[], []];
  for (let n = 0; n < 100; n += 1) {
    logins.push(...await times(1, () => login(password, scope)));
    hashes.push(...await times(1, hashOnce));
  }
  return {
    password_one_by_one_ms: summary(logins), hash_alone_meanwhile_ms: summary(hashes), password_at_8_per_s: await rate(240, 8, () => login(password, scope)),
    application_credential_one_by_one_ms: summary(await times(100, () => login(credential))), application_credential_at_16_per_s: await rate(3_000, 16, () => login(credential)),
  };
}

/** By bare sockets: a client that costs little beside the service, on the same cores. */
async function validating(cloud) {
  progress('validations over HTTP');
  const request = Buffer.from(`GET ${TOKENS}?nocatalog HTTP/1.1\r\nhost: 127.0.0.1:${cloud.port}\r\nx-auth-token: ${cloud.token}\r\nx-subject-token: ${cloud.token}\r\n\r\n`);
  await asked(cloud.port, request, 2_000, 16);
  const per = async (count, parallel) => {
    const started = now();
    await asked(cloud.port, request, count, parallel);
    return Math.round((count * 1_000) / (now() - started));
  };
  return { at_1_per_s: await per(3_000, 1), at_16_per_s: await per(20_000, 16) };
}

/** Sends it `count` times over `parallel` connections, each one after the other; every answer must be a 200. */
const asked = (port, request, count, parallel) => Promise.all(Array.from({ length: parallel }, (_, at) => new Promise((done, fail) => {
  let left = Math.floor(count / parallel) + (at < count % parallel ? 1 : 0);
  let answer = '';
  const socket = connect(port, '127.0.0.1', () => socket.write(request)).setNoDelay(true).setEncoding('latin1');
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the service closed the connection')));
  socket.on('data', (piece) => {
    answer += piece;
    const head = answer.indexOf('\r\n\r\n');
    if (head < 0 || answer.length < head + 4 + Number(/^content-length: (\d+)/im.exec(answer.slice(0, head))?.[1] ?? Number.NaN)) return;
    if (!answer.startsWith('HTTP/1.1 200')) return fail(new Error(answer.slice(0, 300)));
    answer = '';
    left -= 1;
    if (left > 0) socket.write(request);
    else { done(); socket.destroy(); }
  });
})));

/** Milliseconds of each, one after the other. */
async function times(count, work) {
  const taken = [];
  for (let n = 0; n < count; n += 1) { const started = now(); await work(); taken.push(now() - started); }
  return taken;
}

/** A second, `parallel` at a time. */
async function rate(count, parallel, work) {
  const started = now();
  await inParallel(Array.from({ length: count }, (_, n) => n), parallel, work);
  return round((count * 1_000) / (now() - started));
}

/** A second, of something that never waits. */
function tight(work) {
  const end = now() + 500;
  let done = 0;
  for (; now() < end; done += 1) work();
  return done * 2;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) process.stdout.write(`${JSON.stringify(await identity(), null, 1)}\n`);
