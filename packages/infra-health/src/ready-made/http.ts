import type { HealthCheck } from '@vibeonrails/infra-core';

/** What to ask, and which answer is good. */
export interface HttpCheckOptions {
  /** @default 'GET' */
  method?: string;
  headers?: Readonly<Record<string, string>>;
  /** Whether a status code is good. @default 200 to 299; redirects are followed */
  expect?: (status: number) => boolean;
}

/** Checks that a URL answers with a good status. The body is not read. */
export function http(url: string | URL, options: HttpCheckOptions = {}): HealthCheck {
  const { method = 'GET', headers = {}, expect = (status) => status >= 200 && status < 300 } = options;
  return async ({ signal }) => {
    const response = await fetch(url, { method, headers: { ...headers }, signal });
    // An unread body would hold its connection.
    await response.body?.cancel();
    const message = `answered ${response.status}`;
    return { status: expect(response.status) ? 'ok' : 'error', message, data: { code: response.status } };
  };
}
