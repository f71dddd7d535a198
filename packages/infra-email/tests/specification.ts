import { sendEmail } from '@vibeonrails/infra-email';

await sendEmail('welcome', {
  to: 'user@example.com',
  data: { name: 'John', appName: 'MyApp' },
});
