import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { STARTERS } from '../src/starters.ts';
import { createTemplates } from '../src/templates.ts';
import { folder } from './folder.ts';

const url = 'https://app.example.com/go?token=8f7a1c2e9b4d4f0b&user=1024';
const required: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  welcome: { name: 'Ada', appName: 'My App' },
  'verify-email': { appName: 'My App', url },
  'reset-password': { appName: 'My App', url },
  'magic-link': { appName: 'My App', url },
  invitation: { inviter: 'Grace', appName: 'My App', url },
  receipt: {
    appName: 'My App',
    number: 'R-1',
    date: '22 November 2026',
    total: '€ 59.00',
    items: [{ description: 'Team plan', amount: '€ 59.00' }],
  },
};
const optional: Readonly<Record<string, unknown>> = {
  name: 'Ada',
  url,
  expiresIn: '30 minutes',
  code: '482 913',
  team: 'Compilers',
  message: 'Join us!',
  tax: '€ 9.42',
  paidWith: 'Visa 4242',
};

describe.each(Object.keys(required))('the starter template %s', (name) => {
  const engine = createTemplates({ folder: '/nowhere' });

  it('needs no more than its README says, and leaves nothing to look at', async () => {
    const { findings, subject, html, text } = await engine.render(name, { data: required[name] ?? {} });
    expect(findings).toEqual([]);
    expect(subject).not.toBe('');
    expect(text.trim().length).toBeGreaterThan(100);
    expect(`${subject}${html}${text}`).not.toMatch(/undefined|null|\{\{|\{%|\[object|\p{Cc}(?<!\n)/u);
  });

  it('takes its optional variables', async () => {
    const data = { ...optional, ...required[name] };
    const { html, text } = await engine.render(name, { data });
    const used = readFileSync(`${STARTERS}/${name}.md`, 'utf8');
    for (const [key, value] of Object.entries(optional))
      if (new RegExp(`\\{\\{ ${key}\\b`).test(used.replace(/^---.*?---/s, '')))
        expect(text, key).toContain(key in (required[name] ?? {}) ? required[name]?.[key] : value);
    if (html.includes('class="button-link"')) expect(text).toContain(`(${url})`);
  });

  it('is a page that mail programs and screen readers understand', async () => {
    const { html, subject } = await engine.render(name, { data: { ...optional, ...required[name] } });
    expect(html).toMatch(/^<!doctype html><html [^>]*lang="en"[^>]*>/i);
    expect(html).toMatch(/<html [^>]*dir="ltr"/);
    expect(html).toMatch(/<body[^>]*>\s*<div class="preheader"[^>]*>[^<]{20,}/);
    expect(html).toMatch(/<div [^>]*lang="en"[^>]*dir="ltr"|<div [^>]*dir="ltr"[^>]*lang="en"/);
    expect(html).toContain(`<title>${subject}</title>`);
    expect(html.match(/<h1\b/g)).toHaveLength(1);
    for (const [table] of html.matchAll(/<table\b[^>]*>/g))
      if (!/<th\b/.test(html.slice(html.indexOf(table), html.indexOf('</table>', html.indexOf(table)))))
        expect(table).toContain('role="presentation"');
    expect(html.indexOf('<meta charset="utf-8">')).toBeLessThan(400);
    expect(html).toMatch(/prefers-color-scheme: ?dark/);
    expect(html).toMatch(/max-width: ?480px/);
    expect(html).toContain('name="color-scheme" content="light dark"');
    expect(Buffer.byteLength(html)).toBeLessThan(30 * 1024);
    expect(html).not.toMatch(/<link|<script|@import|url\(/);
  });
});

test('the receipt is a table with named columns', async () => {
  const { html, text } = await createTemplates({ folder: folder() }).render('receipt', {
    data: required.receipt ?? {},
  });
  expect(html).toMatch(/<th [^>]*scope="col"[^>]*>Item<\/th>/);
  expect(text).toContain('Item | Amount\nTeam plan | € 59.00\nTotal | € 59.00');
});

/** Colours of the layout by selector, for one scheme. */
function colours(css: string): Map<string, { color?: string; 'background-color'?: string }> {
  const found = new Map<string, { color?: string; 'background-color'?: string }>();
  for (const [, selectors = '', body = ''] of css.matchAll(/([^{}@]+)\{([^{}]*)\}/g))
    for (const selector of selectors.split(',').map((it) => it.trim())) {
      const entry = found.get(selector) ?? {};
      for (const [, property, value] of body.matchAll(/(?:^|[;\s])(color|background-color): (#[0-9a-f]{6})/g))
        if (property === 'color' || property === 'background-color') entry[property] = value ?? '';
      found.set(selector, entry);
    }
  return found;
}

function contrast(a: string, b: string): number {
  const luminance = (hex: string): number => {
    const [r = 0, g = 0, blue = 0] = [1, 3, 5].map((at) => {
      const c = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
      return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * blue;
  };
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

describe('every text of the layout has a contrast of 4.5 or more (WCAG AA)', () => {
  const css = readFileSync(`${STARTERS}/layouts/default.njk`, 'utf8').replaceAll(/\{%.*?%\}/g, '');
  const sheet = /<style>(?!table)([\s\S]*?)<\/style>/.exec(css)?.[1] ?? '';
  const [base = '', dark = ''] = sheet.split('@media (prefers-color-scheme: dark) {');
  const light = colours(base.split('@media')[0] ?? '');
  const night = colours(dark);
  const pairs: readonly [text: string, ground: string][] = [
    ['.brand', '.page'],
    ['.footer', '.page'],
    ['.card', '.card'],
    ['h1', '.card'],
    ['h2', '.panel-cell'],
    ['h3', '.card'],
    ['strong', '.card'],
    ['strong', '.panel-cell'],
    ['th', '.card'],
    ['a', '.card'],
    ['a', '.panel-cell'],
    ['blockquote', '.card'],
    ['blockquote', '.panel-cell'],
    ['code', 'code'],
    ['.button-link', '.button-link'],
    ['.panel-cell', '.panel-cell'],
  ];
  it.each(pairs)('%s on %s', (text, ground) => {
    for (const scheme of [light, night]) {
      const color = scheme.get(text)?.color ?? '';
      const background = scheme.get(ground)?.['background-color'] ?? '';
      expect([color, background]).toEqual([expect.stringMatching(/^#/), expect.stringMatching(/^#/)]);
      expect(contrast(color, background)).toBeGreaterThanOrEqual(4.5);
    }
  });
});
