import { createEmail, type Email, type EmailOptions } from './client.ts';
import { defineModule, type ModuleHandle } from './core.ts';
import { VERSION } from './version.ts';

/** The default sender of this process. */
export const handle: ModuleHandle<Email, EmailOptions> = defineModule<Email, EmailOptions>({
  module: 'email',
  package: '@vibeonrails/infra-email',
  version: VERSION,
  contract: 1,
  create: createEmail,
  async healthCheck(email, signal) {
    await email.check(signal);
    return { status: 'ok', data: { driver: email.driver } };
  },
});
