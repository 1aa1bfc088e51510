import { describe, expect, it } from '@jest/globals';
import { attachmentOf, untilStands } from './device-attach.js';

const [A, B, D] = ['a77ac4ed-0000-4000-8000-000000000001', 'a77ac4ed-0000-4000-8000-000000000002', 'de71ce00-0000-4000-8000-000000000003'] as const;
const one = (id: string, state: string, reason: string | null = null) => ({ id, class: 'net', count: 1, state, reason });
const device = (attachment: string | null, change: object = {}) => ({ class: 'net', tag: null, mac: null, vlan: null, physicalNetwork: null, attachment, state: 'attached', reason: null, ...change });
const on = (id: string) => ({ id, identity: `mac:01/vf:${id.slice(-1)}`, generation: 1, numaNode: 0, attach: 'hostdev', address: null, state: 'in-use', reason: null });
const there = { attachments: [one(A, 'attached'), one(B, 'detaching', 'needs guest stop: it is deaf')], devices: [device(null, { on: on(D) }), device(A, { tag: 'data', mac: 'fa:16:3e:00:00:01' }), device(B, { on: on(B) })] };

describe('what is to be detached', () => {
  it.each([[A, A], [A.toUpperCase(), A], ['data', A], ['fa:16:3e:00:00:01', A], [B, B], ['mac:01/vf:2', B], [D, D]])('%s', (word, id) => { expect(attachmentOf(there, word)).toBe(id); });
  it('is said when nothing, or more than one, is called so', () => {
    expect(() => attachmentOf(there, 'nope')).toThrow(`the server has no device nope. It has: ${A} (net: attached), ${B} (net: detaching (needs guest stop: it is deaf)).`);
    expect(() => attachmentOf({ attachments: [], devices: [device(A, { tag: 'x' }), device(B, { tag: 'x' })] }, 'x')).toThrow('2 attachments are called x');
  });
});

describe('waiting', () => {
  async function wait(wanted: 'attached' | 'gone', ...looks: ReturnType<typeof one>[][]): Promise<[number, string[]]> {
    const said: string[] = [];
    let now = 0;
    const call = async <T>(): Promise<T> => ({ devices: [], attachments: looks.length > 1 ? looks.shift() : looks[0] }) as T;
    const code = await untilStands({ call }, 's', A, wanted, 3, { say: (line) => said.push(line), nowMs: () => now, pause: async (ms) => { now += ms; } });
    return [code, said];
  }
  it('ends when it stands as wanted, or will not', async () => {
    expect(await wait('attached', [one(A, 'attaching')], [one(A, 'attaching')], [one(A, 'attached')])).toEqual([0, ['net: attaching', 'net: attached']]);
    expect(await wait('attached', [one(A, 'detaching', 'the function is gone')], [])).toEqual([1, ['net: detaching (the function is gone)', 'It is gone.']]);
    expect(await wait('gone', [one(A, 'detaching'), one(B, 'attached')], [one(B, 'attached')])).toEqual([0, ['net: detaching', 'It is gone.']]);
    expect(await wait('gone', [one(A, 'detaching', 'needs guest stop: x')])).toEqual([1, ['net: detaching (needs guest stop: x)', expect.stringMatching(/^Not done after 3 s\. .* stopped or rebooted hard\.$/)]]);
  });
});
