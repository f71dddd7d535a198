import assert from 'node:assert/strict';
import type { EmailDriver, RenderedEmail, SendContext } from './driver.ts';

/** The test runner's two functions: vitest's, or those of `node:test`. */
export interface SuiteRunner {
  describe(name: string, fn: () => void): void;
  it(name: string, fn: () => Promise<void>): void;
}

/** A driver under test, and a look at what it has taken over. */
export interface DriverUnderTest {
  driver: EmailDriver;
  /** The subjects of the messages that were taken over, in order. */
  taken(): Promise<string[]>;
}

/** A message to test a driver with. */
export function sampleMessage(changes: Partial<RenderedEmail> = {}): RenderedEmail {
  return {
    template: 'welcome',
    locale: 'en',
    from: { name: 'My App', email: 'hello@example.com' },
    to: [{ name: 'Zoë "Z", Łoś', email: 'zoe@example.com' }],
    cc: [],
    bcc: [],
    replyTo: [],
    subject: 'Välkommen 🎉',
    html: '<!doctype html><html lang="en" dir="ltr"><head><title>Hi</title></head><body><p>Hi</p></body></html>',
    text: 'Hi\n',
    headers: { 'X-Ticket': '42' },
    tags: { kind: 'welcome' },
    attachments: [
      {
        filename: 'a.txt',
        content: new Uint8Array([0, 13, 10, 255]),
        contentType: 'application/octet-stream',
      },
    ],
    ...changes,
  };
}

/** Registers the tests that every {@link EmailDriver} passes. `make` returns a driver that has taken nothing over. */
export function emailDriverSuite(
  { describe, it }: SuiteRunner,
  name: string,
  make: () => DriverUnderTest | Promise<DriverUnderTest>,
): void {
  const test = (title: string, body: (under: DriverUnderTest) => Promise<void>): void =>
    it(title, async () => {
      const under = await make();
      await under.driver.ready();
      try {
        await body(under);
      } finally {
        await under.driver.close();
      }
    });
  const context = (idempotencyKey: string): SendContext => ({
    idempotencyKey,
    signal: new AbortController().signal,
  });

  describe(`the e-mail driver contract: ${name}`, () => {
    test('takes a message over and answers with its id', async ({ driver, taken }) => {
      const { id } = await driver.send(sampleMessage(), context('one'));
      assert.match(id, /^\S+$/);
      assert.deepEqual(await taken(), ['Välkommen 🎉']);
    });
    test('gives two messages two ids', async ({ driver, taken }) => {
      const first = await driver.send(sampleMessage({ subject: 'a' }), context('one'));
      const second = await driver.send(sampleMessage({ subject: 'b' }), context('two'));
      assert.notEqual(first.id, second.id);
      assert.deepEqual(await taken(), ['a', 'b']);
    });
    test('takes a message over once per key', async ({ driver, taken }) => {
      const first = await driver.send(sampleMessage(), context('one'));
      const again = await driver.send(sampleMessage(), context('one'));
      assert.equal(again.id, first.id);
      assert.equal((await taken()).length, 1);
    });
    test('takes a message over once when two calls with one key run at the same time', async ({
      driver,
      taken,
    }) => {
      const calls = Array.from({ length: 4 }, () => driver.send(sampleMessage(), context('one')));
      assert.equal(new Set((await Promise.all(calls)).map(({ id }) => id)).size, 1);
      assert.equal((await taken()).length, 1);
    });
    test('refuses another message under a key that was used', async ({ driver, taken }) => {
      await driver.send(sampleMessage(), context('one'));
      const other = driver.send(sampleMessage({ text: 'Something else\n' }), context('one'));
      await assert.rejects(other, { code: 'E_EMAIL_IDEMPOTENCY', retryable: false });
      assert.equal((await taken()).length, 1);
    });
    test('sends nothing when it is aborted before it starts', async ({ driver, taken }) => {
      const reason = new Error('changed my mind');
      const sending = driver.send(sampleMessage(), {
        idempotencyKey: 'one',
        signal: AbortSignal.abort(reason),
      });
      await assert.rejects(sending, (error) => error === reason);
      assert.deepEqual(await taken(), []);
    });
    test('answers a batch in its order', async ({ driver, taken }) => {
      if (!driver.sendBatch) return;
      const messages = ['a', 'b', 'c'].map((subject) => sampleMessage({ subject, attachments: [] }));
      const receipts = await driver.sendBatch(
        messages,
        messages.map(({ subject }) => context(subject)),
      );
      assert.equal(receipts.length, 3);
      assert.deepEqual(await taken(), ['a', 'b', 'c']);
    });
    test('says that it can send', async ({ driver, taken }) => {
      await driver.check(new AbortController().signal);
      assert.deepEqual(await taken(), []);
    });
    test('is ready twice and closes twice without harm', async ({ driver }) => {
      await driver.ready();
      await driver.close();
    });
  });
}
