import { type Config, defineConfig, oneOf, type Reader, text } from '@vibeonrails/infra-core';

/** The drivers e-mail can be sent through. */
export type EmailDriverName = 'outbox';

/** The variables of e-mail. */
export const config: Config<{
  readonly EMAIL_DRIVER: Reader<EmailDriverName | undefined>;
  readonly EMAIL_FROM: Reader<string | undefined>;
  readonly EMAIL_TEMPLATES: Reader<string>;
  readonly EMAIL_OUTBOX: Reader<string>;
}> = defineConfig(
  {
    EMAIL_DRIVER: oneOf(['outbox'], { optional: true, description: 'where e-mail goes' }),
    EMAIL_FROM: text({
      optional: true,
      description: "the sender, such as 'My App <hello@example.com>'; a driver that delivers needs it",
    }),
    EMAIL_TEMPLATES: text({ default: 'emails', description: "the folder of the application's templates" }),
    EMAIL_OUTBOX: text({ default: '.outbox', description: 'the folder the outbox driver writes to' }),
  },
  { package: '@vibeonrails/infra-email' },
);
