/// <reference lib="esnext.disposable" preserve="true" />
import assert from 'node:assert/strict';
import { createEmail, type Email, type EmailOptions } from './client.ts';
import type { EmailDriver, RenderedEmail, SendContext } from './driver.ts';
import { IdempotencyConflictError } from './errors.ts';
import { handle } from './module.ts';
import { unescapeHtml } from './template/html.ts';

/** A message that a fake has recorded. */
export interface RecordedEmail extends RenderedEmail {
  readonly id: string;
  readonly idempotencyKey: string;
}

/** A sender for tests that stands in for the default one: it renders for real and records what would be sent. */
export interface FakeEmail extends Email, Disposable {
  /** What was sent, in order. */
  readonly sent: readonly RecordedEmail[];
  /** Fails unless an e-mail from this template was sent that `matches`. Returns the last one. */
  assertSent(template: string, matches?: (message: RecordedEmail) => boolean): RecordedEmail;
  /** Fails when an e-mail from this template was sent that `matches`. */
  assertNotSent(template: string, matches?: (message: RecordedEmail) => boolean): void;
  /** Fails when any e-mail was sent. */
  assertNothingSent(): void;
  /** The addresses that the last e-mail (from this template) links to, in order. */
  linksIn(template?: string): string[];
  /** Lets the next sending fail with `error`. */
  failNext(error: Error): void;
  /** Puts the former default sender back. `using` does it too. */
  restore(): void;
}

/** Swaps the default sender for a recording one until `restore()`, or the end of a `using` block. */
export function fakeEmail(options: Pick<EmailOptions, 'from' | 'locale' | 'templates'> = {}): FakeEmail {
  const sent: RecordedEmail[] = [];
  const failures: Error[] = [];
  const email = createEmail({
    ...options,
    driver: recorder(sent, failures),
  });
  const putBack = handle.swap(email);
  const find = (
    template: string | undefined,
    matches: (message: RecordedEmail) => boolean,
  ): RecordedEmail[] =>
    sent.filter((message) => (template === undefined || message.template === template) && matches(message));
  let restored = false;
  const restore = (): void => {
    if (restored) return;
    restored = true;
    putBack();
    void email.close();
  };
  return {
    ...email,
    sent,
    assertSent(template, matches = () => true) {
      const found = find(template, matches).at(-1);
      assert(
        found,
        `expected an e-mail "${template}"${matching(matches)} to be sent; sent: ${summary(sent)}`,
      );
      return found;
    },
    assertNotSent(template, matches = () => true) {
      const count = find(template, matches).length;
      assert.equal(count, 0, `expected no e-mail "${template}"${matching(matches)} to be sent`);
    },
    assertNothingSent() {
      assert.equal(sent.length, 0, `expected no e-mail to be sent; sent: ${summary(sent)}`);
    },
    linksIn(template) {
      const found = find(template, () => true).at(-1);
      assert(
        found,
        `expected an e-mail ${template ? `"${template}" ` : ''}to be sent; sent: ${summary(sent)}`,
      );
      return [...found.html.matchAll(/<a\s[^>]*href="([^"]*)"/g)].map(([, href = '']) => unescapeHtml(href));
    },
    failNext(error) {
      failures.push(error);
    },
    restore,
    [Symbol.dispose]: restore,
  };
}

/** A driver that keeps messages in memory. */
function recorder(sent: RecordedEmail[], failures: Error[]): EmailDriver {
  return {
    name: 'fake',
    defaultFrom: 'Fake <fake@example.com>',
    ready: async () => undefined,
    async send(message: Readonly<RenderedEmail>, { idempotencyKey, signal }: SendContext) {
      signal.throwIfAborted();
      const failure = failures.shift();
      if (failure) throw failure;
      const former = sent.find((it) => it.idempotencyKey === idempotencyKey);
      if (former && JSON.stringify({ ...message, ...idsOf(former) }) !== JSON.stringify(former))
        throw new IdempotencyConflictError(idempotencyKey);
      if (former) return { id: former.id };
      const id = `fake-${sent.length + 1}`;
      sent.push({ ...message, id, idempotencyKey });
      return { id };
    },
    check: async () => undefined,
    close: async () => undefined,
  };
}

const idsOf = ({ id, idempotencyKey }: RecordedEmail): Pick<RecordedEmail, 'id' | 'idempotencyKey'> => ({
  id,
  idempotencyKey,
});

const matching = (matches: { name: string; length: number }): string =>
  matches.length > 0 ? ' that matches' : '';

function summary(sent: readonly RecordedEmail[]): string {
  const lines = sent.map((it) => `"${it.template}" to ${it.to.map(({ email }) => email).join(', ')}`);
  return lines.join('; ') || 'nothing';
}
