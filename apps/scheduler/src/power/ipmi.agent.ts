/** IPMI over LAN by ipmitool. The password goes through the child's environment: arguments are seen by everybody on the machine. */
import { execFile } from 'node:child_process';
import { unavailable } from '#libs/errors';
import { LOOK_AGAIN_MS, pause, type FenceAgent, type PowerSettings, type Proof } from './fence-agent.js';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export class IpmiAgent implements FenceAgent {
  constructor(private readonly tool = 'ipmitool', private readonly lookAgainMs = LOOK_AGAIN_MS) {}

  async powerOff(settings: PowerSettings, signal: AbortSignal): Promise<Proof> {
    await this.#run(settings, ['chassis', 'power', 'off'], signal);
    for (;;) {
      const said = (await this.#run(settings, ['chassis', 'power', 'status'], signal)).trim();
      if (/power is off\s*$/i.test(said)) return { text: `IPMI at ${settings.address}: ${said.slice(0, 200)}` };
      await pause(this.lookAgainMs, signal);
    }
  }

  #run({ address, username, password }: PowerSettings, command: string[], signal: AbortSignal): Promise<string> {
    const [host, port] = splitAddress(address);
    const args = ['-I', 'lanplus', '-H', host, ...(port === undefined ? [] : ['-p', port]), '-U', username, '-E', ...command];
    return new Promise((resolve, reject) => {
      execFile(this.tool, args, { env: { PATH, IPMI_PASSWORD: password, IPMITOOL_PASSWORD: password }, signal, timeout: 20_000, maxBuffer: 64 * 1024 }, (error, stdout, stderr) => {
        if (!error) resolve(stdout);
        else if ((error as NodeJS.ErrnoException).code === 'ENOENT') reject(unavailable('ipmitool is not installed where the scheduler runs.'));
        else reject(unavailable(`IPMI at ${address} did not do '${command.join(' ')}': ${(stderr.trim().split('\n').at(-1) || 'no answer in time').slice(0, 300)}`));
      });
    });
  }
}

/** `host`, `host:port`, `[v6]`, `[v6]:port`. */
function splitAddress(address: string): [string, string | undefined] {
  const found = /^(?:\[([0-9a-fA-F:]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(address);
  return found ? [(found[1] ?? found[2])!, found[3]] : [address, undefined];
}
