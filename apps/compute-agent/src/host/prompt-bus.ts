import type { OutputOf } from '#libs/contracts';
import { unavailable } from '#libs/errors';
import type { Bus } from '#libs/messaging';

/**
 * A bus whose questions under way fail when the connection is lost, instead of waiting for answers that were lost with
 * it. Whether they were heard is unknown; everything the agent asks may be asked again.
 */
export function promptBus(bus: Bus): Bus {
  const waiting = new Set<(error: Error) => void>();
  bus.onConnection((connected) => {
    if (connected) return;
    for (const fail of [...waiting]) fail(unavailable('The connection to the message bus was lost.'));
  });
  return {
    get connected() { return bus.connected; },
    ask: (contract, input, options) => new Promise<OutputOf<typeof contract>>((resolve, reject) => {
      waiting.add(reject);
      bus.ask(contract, input, options).then(resolve, reject).finally(() => waiting.delete(reject));
    }),
    hint: (hint, payload, options) => bus.hint(hint, payload, options),
    handle: (contract, handler, options) => bus.handle(contract, handler, options),
    onHint: (hint, listener, options) => bus.onHint(hint, listener, options),
    onConnection: (listener) => bus.onConnection(listener),
    close: () => bus.close(),
  };
}
