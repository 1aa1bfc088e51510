import { expect, it } from '@jest/globals';
import { whyNotOnHost, type Operation, type Standing } from './on-host.js';

it.each<[Operation, Standing, string | undefined]>([
  ['attach-device', 'able', undefined],
  ['detach-device', 'able', undefined],
  ['attach-device', 'older', 'update the agent of node1'],
  ['detach-device', 'older', 'update the agent of node1'],
  ['attach-device', 'fenced', 'is fenced: nothing is attached there. What to do: evacuate the server'],
  // Else a server that no other host has the devices for could neither be evacuated nor be made to need fewer.
  ['detach-device', 'fenced', undefined],
])('%s on a host that is %s', (operation, standing, words) => {
  const problem = whyNotOnHost(operation, { id: 'x', host: 'node1' }, standing);
  if (words === undefined) expect(problem).toBeUndefined();
  else expect(problem).toContain(words);
});
