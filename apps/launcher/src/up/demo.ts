import { ApiError, type ApiClient } from '../client.js';
import { say, UpError } from './progress.js';

/** Milliseconds; a guest under plain emulation boots in ten to thirty seconds. */
const BOOT_DEADLINE_MS = 180_000;
const POLL_MS = 400;

/** Creates a server from the seeded image and shows its serial console until the guest says it is ready. */
export async function demo(api: ApiClient): Promise<void> {
  const { images } = await api.call<{ images: { id: string }[] }>('GET', '/image/v2/images?name=skylite-tiny&status=active');
  const { flavors } = await api.call<{ flavors: { id: string; name: string }[] }>('GET', '/compute/v2.1/flavors');
  const imageRef = images[0]?.id;
  const flavorRef = flavors.find((flavor) => flavor.name === 'm1.nano')?.id;
  if (!imageRef || !flavorRef) throw new UpError('the image skylite-tiny or the flavor m1.nano is missing.', 'Run up again: it seeds them.');
  const name = `demo-${Math.random().toString(36).slice(2, 7)}`;
  const { server } = await api.call<{ server: { id: string } }>('POST', '/compute/v2.1/servers', { server: { name, imageRef, flavorRef, networks: 'none' } }, { 'openstack-api-version': 'compute 2.37' });
  say(`\nServer ${name} (${server.id}) is being built. Its console:\n`);
  let shown = 0;
  const end = Date.now() + BOOT_DEADLINE_MS;
  while (Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const now = await api.call<{ server: { status: string; fault?: { message: string } } }>('GET', `/compute/v2.1/servers/${server.id}`);
    if (now.server.status === 'ERROR') throw new UpError(`the server failed: ${now.server.fault?.message ?? 'no reason given'}`, `\`npx skylite inspect server ${server.id}\` says more.`);
    const output = await consoleOf(api, server.id);
    const lines = output.split('\n');
    // The last line may still be growing.
    for (const line of lines.slice(shown, -1)) say(`  ${plain(line)}`);
    shown = Math.max(shown, lines.length - 1);
    if (/^tiny: ready/m.test(lines.slice(0, -1).join('\n'))) {
      say([`\nThe guest is ready. Try:`, `  openstack server show ${name}`, `  openstack console log show ${name}`, `  npx skylite inspect server ${server.id}`, `  openstack server delete --wait ${name}`].join('\n'));
      return;
    }
  }
  throw new UpError('the guest did not say it is ready in time.', `\`openstack console log show ${name}\` shows how far it came.`);
}

/** Without the boot loader's cursor movements, which would paint over what stands above. */
// eslint-disable-next-line no-control-regex -- escape sequences begin with a control character
const plain = (line: string): string => line.replace(/\x1b?\[[0-9;?]*[HJKm]/g, '').replace(/[^\x20-\x7e]/g, '');

const consoleOf = async (api: ApiClient, id: string): Promise<string> => {
  try {
    return (await api.call<{ output: string }>('POST', `/compute/v2.1/servers/${id}/action`, { 'os-getConsoleOutput': {} })).output;
  } catch (error) {
    // Not on a host yet.
    if (error instanceof ApiError && error.status < 500) return '';
    throw error;
  }
};
