import { describe, expect, it } from '@jest/globals';
import { credsAuthenticator } from '@nats-io/transport-node';
import * as nkeys from '@nats-io/nkeys';
import { fastAuthenticator } from './authenticator.js';

const credsWith = (seed: string): string => `-----BEGIN NATS USER JWT-----\nabc.def\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`;

describe('fastAuthenticator', () => {
  it('answers as the library does', () => {
    const creds = credsWith(new TextDecoder().decode(nkeys.createUser().getSeed()));
    expect(fastAuthenticator(creds)('a nonce')).toEqual(credsAuthenticator(new TextEncoder().encode(creds))('a nonce'));
  });
});
