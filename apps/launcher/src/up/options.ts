import { isIPv4 } from 'node:net';
import { parseArgs } from 'node:util';
import { ConfigError, parseCpuList, parsePages } from '#libs/config';

export interface UpOptions {
  detach: boolean; demo: boolean;
  port: number | undefined; bind: string | undefined; hosts: number | undefined; fleet: number | undefined;
  localHost: boolean; libvirt: 'own' | 'system' | undefined;
  /** As they were said, checked; none: not any more. */
  cpuShared: string | undefined; cpuDedicated: string | undefined; hugePages: string | undefined;
}

/** `up`'s words. What is not given keeps its value of the last `up`. */
export function parseUpOptions(args: string[]): UpOptions {
  let values;
  try {
    ({ values } = parseArgs({
      args, strict: true, allowPositionals: false,
      options: {
        detach: { type: 'boolean', default: false }, demo: { type: 'boolean', default: false },
        port: { type: 'string' }, bind: { type: 'string' }, hosts: { type: 'string' }, fleet: { type: 'string' },
        'no-local-host': { type: 'boolean', default: false }, libvirt: { type: 'string' },
        'cpu-shared': { type: 'string' }, 'cpu-dedicated': { type: 'string' }, 'huge-pages': { type: 'string' },
      },
    }));
  } catch (error) {
    throw new ConfigError(`${error instanceof Error ? error.message.split('.')[0] : String(error)}. Run \`npm run up -- --help\` for what there is.`);
  }
  if (values.libvirt !== undefined && values.libvirt !== 'own' && values.libvirt !== 'system') throw new ConfigError(`--libvirt ${values.libvirt}: it is own or system.`);
  if (values.libvirt !== undefined && values['no-local-host']) throw new ConfigError('--libvirt is about this machine\'s own host, which --no-local-host leaves away: choose one of them.');
  if (values.bind !== undefined && (!isIPv4(values.bind) || values.bind === '0.0.0.0')) throw new ConfigError(`--bind ${values.bind}: it is one IPv4 address of this machine, such as 127.0.0.1.`);
  return {
    cpuShared: read('--cpu-shared', values['cpu-shared'], parseCpuList), cpuDedicated: read('--cpu-dedicated', values['cpu-dedicated'], parseCpuList), hugePages: read('--huge-pages', values['huge-pages'], parsePages),
    bind: values.bind, detach: values.detach, demo: values.demo, localHost: !values['no-local-host'], libvirt: values.libvirt,
    port: number('--port', values.port, 1, 65_535), hosts: number('--hosts', values.hosts, 0, 20), fleet: number('--fleet', values.fleet, 0, 10_000),
  };
}

function read(name: string, text: string | undefined, parse: (text: string) => unknown): string | undefined {
  try {
    if (text !== undefined && text !== 'none') parse(text);
    return text;
  } catch (error) {
    throw new ConfigError(`${name} ${text}: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

function number(name: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) throw new ConfigError(`${name} ${text}: it is a whole number from ${min} to ${max}.`);
  return value;
}
