// Sign-up by e-mail: a link to confirm the address, sent once however often the job is tried, from a template of the
// application's own. Without configuration it writes to .outbox; RESEND_API_KEY or SMTP_URL, with EMAIL_FROM, deliver.
import { mkdirSync, writeFileSync } from 'node:fs';
import { isInfraError, shutdown } from '@vibeonrails/infra-core';
import { logger } from '@vibeonrails/infra-core/logging';
import { renderEmail, sendEmail } from '@vibeonrails/infra-email';

// In an application this file is there: emails/confirm.md.
mkdirSync('emails', { recursive: true });
writeFileSync(
  'emails/confirm.md',
  `---
subject: "{{ name }}, please confirm your address"
preheader: One click, and you are in.
---

# Hello {{ name }}

{% button url %}Confirm my address{% endbutton %}

{% panel %}
The link works for {{ expiresIn | default('one hour') }}.
{% endpanel %}
`,
);

declare module '@vibeonrails/infra-email' {
  interface EmailTemplates {
    confirm: { name: string; url: string; expiresIn?: string };
  }
}

interface User {
  id: number;
  name: string;
  email: string;
}

/** The work of a job: safe to try again, since the key names what the e-mail is about. */
async function confirmAddress(user: User, token: string): Promise<void> {
  const url = `https://app.example.com/confirm?token=${encodeURIComponent(token)}`;
  try {
    const sent = await sendEmail('confirm', {
      to: { name: user.name, email: user.email },
      data: { name: user.name, url },
      idempotencyKey: `confirm/user-${user.id}/${token}`,
      tags: { kind: 'confirm' },
    });
    if (sent.status === 'outbox') logger.info({ open: sent.previewPath }, 'have a look at it in a browser');
  } catch (error) {
    // Somebody else's address is no reason to try again; a server that is down is one.
    if (!isInfraError(error) || error.retryable) throw error;
    logger.error({ err: error, user: user.id }, 'the e-mail cannot be sent');
  }
}

const { findings } = await renderEmail('confirm', {
  data: { name: 'Ada', url: 'https://app.example.com/confirm' },
});
for (const finding of findings) logger.warn({ finding }, 'worth a look');

// The name is data, whatever it holds.
const ada = { id: 1, name: 'Ada **Lovelace** <script>', email: 'ada@example.com' };
await confirmAddress(ada, 't0k3n');
await confirmAddress(ada, 't0k3n');
await confirmAddress({ id: 2, name: 'Bob', email: 'no address' }, 't0k3n');
await shutdown('example');
