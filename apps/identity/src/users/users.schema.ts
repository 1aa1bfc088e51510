import { z } from 'zod';
import { bodyFlag, description, entityName, idText } from '../http/body.js';
import { flag, inexactName, paging, sortedBy } from '../http/queries.js';
import { name } from '../http/text.js';
import { LIMITS } from '../limits.js';
import { passwordExpiry } from './password-expiry.js';

const option = bodyFlag.nullable().optional();
const factors = z.array(z.string().min(1).max(64)).min(1).max(LIMITS.authMethods);

/** Keystone's options of a user. null takes one away. */
const UserOptions = z.strictObject({
  ignore_change_password_upon_first_use: option, ignore_password_expiry: option, ignore_lockout_failure_attempts: option, lock_password: option,
  ignore_user_inactivity: option, multi_factor_auth_enabled: option, multi_factor_auth_rules: z.array(factors).max(LIMITS.authMethods).nullable().optional(),
});

const password = z.string().max(LIMITS.passwordChars);
const properties = {
  name: entityName(255), domain_id: idText.optional(), enabled: bodyFlag.optional(), password: password.nullable().optional(), email: z.string().max(255).nullable().optional(),
  description: description.optional(), default_project_id: z.string().max(64).nullable().transform((id) => (id === '' ? null : id)).optional(), options: UserOptions.optional(),
  /** Nobody comes from elsewhere yet. */
  federated: z.array(z.never()).max(0).optional(),
};

/** Attributes of a user that we know; whatever else a client gives is kept beside them. */
export const USER_KEYS = [...Object.keys(properties), 'password_expires_at', 'original_password'];

export const CreateUserBody = z.strictObject({ user: z.looseObject(properties) });
export type CreateUserBody = z.output<typeof CreateUserBody>;
export const UpdateUserBody = z.strictObject({ user: z.looseObject({ ...properties, name: properties.name.optional() }).refine((it) => Object.keys(it).length > 0, '{} does not have enough properties') });
export type UpdateUserBody = z.output<typeof UpdateUserBody>;

export const PasswordBody = z.strictObject({ user: z.strictObject({ original_password: password, password }) });
export type PasswordBody = z.output<typeof PasswordBody>;

export const UsersQuery = z.object({
  name: name.optional(), ...inexactName, domain_id: name.optional(), enabled: flag.optional(),
  password_expires_at: z.string().max(64).transform((text, context) => {
    const read = passwordExpiry(text);
    if ('problem' in read) {
      context.addIssue({ code: 'custom', message: read.problem });
      return z.NEVER;
    }
    return read;
  }).optional(),
  idp_id: name.optional(), protocol_id: name.optional(), unique_id: name.optional(), ...paging, ...sortedBy('id', 'name', 'domain_id', 'enabled'),
});
export type UsersQuery = z.output<typeof UsersQuery>;
