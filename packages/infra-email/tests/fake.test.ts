import { resetInfra } from '@vibeonrails/infra-core/testing';
import { afterEach, describe, expect, it, test } from 'vitest';
import { configureEmail, email, sendEmail } from '../src/index.ts';
import { fakeEmail } from '../src/testing.ts';
import { folder } from './folder.ts';

afterEach(resetInfra);

const data = { name: 'Ada', appName: 'App' };
const url = 'https://example.com/?a=1&b=2';

test('it stands in for the default sender, records what was rendered, and gives way again', async () => {
  configureEmail({ outbox: folder() });
  {
    using fake = fakeEmail();
    expect(await sendEmail('welcome', { to: 'ada@example.com', data })).toEqual({
      status: 'sent',
      id: 'fake-1',
      driver: 'fake',
    });
    const message = fake.assertSent('welcome', (it) => it.to[0]?.email === 'ada@example.com');
    expect(message).toMatchObject({ subject: 'Welcome to App, Ada', id: 'fake-1' });
    expect(message.html).toContain('Welcome, Ada!');
    expect(fake.sent).toHaveLength(1);
  }
  expect(email.driver).toBe('outbox');
  expect(await email.outbox?.list()).toEqual([]);
});

test('its assertions fail with what was sent', async () => {
  using fake = fakeEmail();
  fake.assertNothingSent();
  fake.assertNotSent('welcome');
  expect(() => fake.assertSent('welcome')).toThrow('sent: nothing');
  await sendEmail('welcome', { to: ['a@example.com', 'b@example.com'], data });
  expect(() => fake.assertSent('receipt')).toThrow('sent: "welcome" to a@example.com, b@example.com');
  expect(() => fake.assertSent('welcome', (it) => it.subject === 'x')).toThrow('that matches');
  fake.assertNotSent('welcome', (it) => it.subject === 'x');
  expect(() => fake.assertNotSent('welcome')).toThrow('expected no e-mail "welcome"');
  expect(() => fake.assertNothingSent()).toThrow('expected no e-mail to be sent');
  expect(() => fake.linksIn('receipt')).toThrow('expected an e-mail "receipt"');
});

test('it shows the addresses a message links to', async () => {
  using fake = fakeEmail();
  await sendEmail('verify-email', { to: 'a@example.com', data: { appName: 'App', url } });
  await sendEmail('welcome', { to: 'a@example.com', data });
  expect(fake.linksIn('verify-email')).toEqual([url, url]);
  expect(fake.linksIn()).toEqual([]);
});

test('it fails once when told to, and templates are as strict as ever', async () => {
  using fake = fakeEmail();
  const down = new Error('down');
  fake.failNext(down);
  await expect(sendEmail('welcome', { to: 'a@example.com', data })).rejects.toBe(down);
  await sendEmail('welcome', { to: 'a@example.com', data });
  await expect(sendEmail('welcome', { to: 'a@example.com' })).rejects.toMatchObject({ code: 'E_EMAIL_DATA' });
  expect(fake.sent).toHaveLength(1);
});

test("it takes the application's templates", async () => {
  using fake = fakeEmail({ templates: folder({ 'mine.md': '---\nsubject: Mine\n---\nx' }) });
  await email.send('mine', { to: 'a@example.com' });
  expect(fake.assertSent('mine').subject).toBe('Mine');
});

test('restoring twice is harmless', () => {
  configureEmail({ outbox: folder() });
  const fake = fakeEmail();
  fake.restore();
  const second = fakeEmail();
  fake.restore();
  expect(email.driver).toBe('fake');
  second.restore();
  expect(email.driver).toBe('outbox');
});

describe('the recording driver', () => {
  it('sends once per key and refuses another message under it', async () => {
    using fake = fakeEmail();
    const send = (subject: string) =>
      sendEmail('welcome', { to: 'a@example.com', data, subject, idempotencyKey: 'k' });
    expect(await send('a')).toEqual(await send('a'));
    expect(fake.sent).toHaveLength(1);
    await expect(send('b')).rejects.toMatchObject({ code: 'E_EMAIL_IDEMPOTENCY' });
  });
});
