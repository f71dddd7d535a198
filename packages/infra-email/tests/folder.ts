import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createTemplates, type RenderOptions } from '../src/templates.ts';

/** A folder that is gone when the test is over. */
export function folder(files: Readonly<Record<string, string>> = {}): string {
  const path = mkdtempSync(join(tmpdir(), 'infra-email-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) write(path, name, content);
  return path;
}

/** Writes a file, with the folders on its way. */
export function write(home: string, name: string, content: string): void {
  const file = join(home, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

/** A layout with nothing in it but the body. */
export const BARE =
  '<!doctype html><html lang="{{ lang }}" dir="{{ dir }}"><head><title>{{ subject }}</title></head><body>{{ content }}</body></html>';

/** Renders one template from its body, in a bare layout. */
export async function render(
  body: string,
  data: Readonly<Record<string, unknown>> = {},
  {
    subject = 'Hello',
    layout = BARE,
    ...options
  }: RenderOptions & { subject?: string; layout?: string } = {},
): ReturnType<ReturnType<typeof createTemplates>['render']> {
  const templates = folder({
    'it.md': `---\nsubject: ${JSON.stringify(subject)}\nlayout: bare\n---\n${body}`,
    'layouts/bare.njk': layout,
  });
  return createTemplates({ folder: templates }).render('it', { data, ...options });
}

/** The body's HTML alone. */
export async function bodyOf(body: string, data: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const { html } = await render(body, data);
  return html
    .replace(/^.*<body>/s, '')
    .replace(/<\/body>.*$/s, '')
    .trim();
}
