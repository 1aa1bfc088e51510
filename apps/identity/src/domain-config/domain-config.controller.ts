import { Controller, Delete, Get, HttpCode, Inject, Param, Patch, Put, UseInterceptors } from '@nestjs/common';
import { CallerParam, enforce, Policy } from '#libs/auth';
import type { Caller } from '#libs/contracts';
import { notFound, unsupported } from '#libs/errors';
import { VaryInterceptor } from '../http/vary.interceptor.js';
import { DEFAULT_PASSWORD_RULES, IDENTITY_CONFIG, type IdentityConfig } from '../identity.config.js';
import { complianceOf, type OptionGroup } from './password-words.js';

interface Where { id?: string; group?: string; option?: string }

const COMPLIANCE = 'security_compliance';
const DEFAULTS = ['domains/config/default', 'domains/config/:group/default', 'domains/config/:group/:option/default'];
const OF_ONE = ['domains/:id/config', 'domains/:id/config/:group', 'domains/:id/config/:group/:option'];

/**
 * Keystone's configuration of single domains: no domain has any, since all of them live in this one database. What passwords
 * must be like holds for all of them, and is told to everybody who has to make one up.
 */
@Controller('identity/v3')
@UseInterceptors(VaryInterceptor)
export class DomainConfigController {
  private readonly compliance: OptionGroup;

  constructor(@Inject(IDENTITY_CONFIG) config: IdentityConfig) {
    this.compliance = complianceOf(config.passwords ?? DEFAULT_PASSWORD_RULES);
  }

  @Get(DEFAULTS)
  @Policy('identity:domain-config:get')
  defaults(@Param() where: Where) {
    return partOf({ identity: { driver: 'sql' }, [COMPLIANCE]: this.compliance }, where);
  }

  @Get(OF_ONE)
  @Policy('identity:password-rules:get')
  get(@CallerParam() caller: Caller, @Param() where: Where) {
    if (where.group === COMPLIANCE) return partOf({ [COMPLIANCE]: this.compliance }, where);
    enforce('identity:domain-config:get', caller);
    throw noSuch(where);
  }

  @Put(OF_ONE)
  @Policy('identity:domain-config:change')
  put(): never { throw notOffered(); }

  @Patch(OF_ONE)
  @Policy('identity:domain-config:change')
  patch(): never { throw notOffered(); }

  @Delete(OF_ONE)
  @Policy('identity:domain-config:change')
  @HttpCode(204)
  remove(@Param() where: Where): never { throw noSuch(where); }
}

/** All, a group, or one option of it, in Keystone's shapes. */
function partOf(all: Readonly<Record<string, OptionGroup>>, where: Where) {
  const { group, option } = where;
  if (group === undefined) return { config: all };
  const options = Object.hasOwn(all, group) ? all[group] : undefined;
  if (options === undefined || (option !== undefined && !Object.hasOwn(options, option))) throw noSuch(where);
  return { config: option === undefined ? { [group]: options } : { [option]: options[option] } };
}

const noSuch = ({ id = 'default', group, option }: Where) => {
  const what = group === undefined ? 'any options' : option === undefined ? `group ${group}` : `option ${option} in group ${group}`;
  return notFound(`Could not find ${what} in domain configuration for domain ${id}.`);
};
const notOffered = () => unsupported('Domains have no configuration of their own here: all users are kept by this service itself.');
