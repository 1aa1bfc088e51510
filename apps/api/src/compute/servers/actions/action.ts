import type { z } from 'zod';
import type { PolicyRule } from '#libs/auth';
import type { Contract, InputOf, InstanceId } from '#libs/contracts';
import type { Bus } from '#libs/messaging';
import { asking, type Call } from '../../../http/call.js';
import { readBody, type VersionedSchema } from '../../../http/read-input.js';
import type { ServerContexts } from '../server-contexts.js';
import { isBooked } from './is-booked.js';

export interface ActionCall {
  readonly bus: Bus;
  readonly contexts: ServerContexts;
  readonly call: Call;
  /** Throws not-found for what cannot be an id; asked after the body was found good. */
  instanceIdOf(): InstanceId;
  readonly body: unknown;
}

export interface ActionAnswer { readonly status: 200 | 202 | 204; readonly body?: object; readonly headers?: Readonly<Record<string, string>> }

export interface Action {
  readonly rule: PolicyRule;
  /** Checks the body at this microversion, asks the owner, gives status and body of the answer. */
  perform(asked: ActionCall): Promise<ActionAnswer>;
}

type AboutOne = Contract<z.ZodType<object, { caller: unknown; instanceId: unknown }>>;

/** An action that is one question of the owner and answers nothing. `input`: what the question has beside whom and who. */
export const question = <C extends AboutOne, S extends z.ZodType>(
  rule: PolicyRule, contract: C, schema: VersionedSchema<S>,
  input: (body: z.output<S>, call: Call) => Omit<InputOf<C>, 'caller' | 'instanceId'>, status: 202 | 204 = 202,
): Action => ({
  rule,
  async perform({ bus, call, instanceIdOf, body }) {
    const more = input(readBody(schema(call.version), body), call);
    const instanceId = instanceIdOf();
    if (await isBooked(bus, call, instanceId)) return { status };
    await asking(bus, call.caller)(contract, { ...more, instanceId } as unknown as Omit<InputOf<C>, 'caller'>);
    return { status };
  },
});

export const nothing = (): Record<string, never> => ({});
