import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { subscribeOperation } from '@vibeonrails/infra-core';
import { expect, test } from 'vitest';
import { createTemplates } from '../src/templates.ts';
import { BARE, bodyOf, folder, render, write } from './folder.ts';

const page = (text: string): string => `---\nsubject: Hi\nlayout: bare\n---\n${text}\n`;

test('Markdown becomes HTML, and text in which links keep their address', async () => {
  const { html, text, subject } = await render(
    '# Hello\n\nRead **all** about `it` [here](https://example.com/a) or write to <ada@example.com>.\n\n- one\n- two\n  1. deep\n\n> quoted\n\n---\n\n![Logo](https://example.com/l.png)',
    {},
    { subject: 'Good morning' },
  );
  expect(subject).toBe('Good morning');
  expect(html).toContain('<title>Good morning</title>');
  expect(html).toContain('<strong>all</strong>');
  expect(html).toContain('<a href="https://example.com/a">here</a>');
  expect(text).toBe(
    'Hello\n\nRead all about it here (https://example.com/a) or write to ada@example.com.\n\n- one\n- two\n  1. deep\n\n> quoted\n\n---\n\nLogo\n',
  );
});

test('data appears in subject, preheader, body and layout', async () => {
  const templates = folder({
    'it.md':
      '---\nsubject: "{{ name }}, hello and a very warm welcome to you"\npreheader: For {{ name }}\nlayout: own\n---\nDear {{ name }}',
    'layouts/own.njk': `${BARE}<p>{{ preheader }}|{{ footer }}</p>`,
  });
  const rendered = await createTemplates({ folder: templates }).render('it', {
    data: { name: 'Ada', footer: 'Bye' },
  });
  expect(rendered.subject).toBe('Ada, hello and a very warm welcome to you');
  expect(rendered.html).toContain('<p>Dear Ada</p>');
  expect(rendered.html).toContain('For Ada|Bye');
  expect(rendered.text).toBe('Dear Ada\n');
});

test('filters and conditions see the real values', async () => {
  const body =
    '{% if n > 2 %}many{% else %}few{% endif %} {{ name | upper }} {{ name | length }} {{ n + 1 }}';
  expect(await bodyOf(body, { n: 3, name: 'Ada' })).toBe('<p>many ADA 3 4</p>');
});

test('tags on lines of their own leave no trace, so a loop makes rows of one table and items of one list', async () => {
  const body =
    '{% table %}\n| A | B |\n|---|--:|\n{% for row in rows %}\n| {{ row.a }} | {{ row.b }} |\n{% endfor %}\n{% endtable %}\n\n{% for row in rows %}\n- {{ row.a }}\n{% endfor %}';
  const rows = [
    { a: 'x', b: 1 },
    { a: 'y', b: 2 },
  ];
  const { html, text } = await render(body, { rows });
  expect(html.match(/<tr>/g)).toHaveLength(3);
  expect(html).toContain('<th scope="col" align="right" style="text-align:right">B</th>');
  expect(html.match(/<ul>/g)).toHaveLength(1);
  expect(text).toBe('A | B\nx | 1\ny | 2\n\n- x\n- y\n');
});

test('a table survives a Markdown formatter, which makes rows of the tags in it', async () => {
  const body =
    '{% table %}\n\n| A                     |  B |\n| :-------------------- | -: |\n| {% for row in rows %} |\n| {{ row.a }}           |  1 |\n| {% endfor %}          |    |\n| {% endtable %}        |\n';
  const { text } = await render(body, { rows: [{ a: 'x' }, { a: 'y' }] });
  expect(text).toBe('A | B\nx | 1\ny | 1\n');
});

test('a button is a link in a table, and a link in the text form', async () => {
  const { html, text } = await render('Before\n{% button url %}Open **it**{% endbutton %}\nAfter', {
    url: 'https://example.com/?a=1&b=2',
  });
  expect(html).toMatch(/<table class="button" role="presentation"[^>]*>/);
  expect(html).toContain('href="https://example.com/?a=1&amp;b=2">Open <strong>it</strong></a>');
  expect(text).toBe('Before\n\nOpen it (https://example.com/?a=1&b=2)\n\nAfter\n');
});

test('a panel holds Markdown, other components and conditions', async () => {
  const body =
    '{% panel %}\n  # In\n\n  {% if yes %}\n  {% button "https://example.com" %}Go{% endbutton %}\n  {% endif %}\n{% endpanel %}\n\nOut';
  const { html, text } = await render(body, { yes: true });
  expect(html).toMatch(/class="panel-cell">\s*<h1>In<\/h1>\s*<table class="button" role="presentation"/);
  expect(text).toBe('In\n\nGo (https://example.com)\n\nOut\n');
});

test('an indented template is no code', async () => {
  expect(await bodyOf('    # Hello\n\n      Dear you')).toBe('<h1>Hello</h1>\n<p>Dear you</p>');
  expect(await bodyOf('Hello\n\n      Dear you')).toBe('<p>Hello</p>\n<p>Dear you</p>');
});

test('an address that is its own label is written once', async () => {
  const { text } = await render('[{{ url }}]({{ url }})', { url: 'https://example.com/a' });
  expect(text).toBe('https://example.com/a\n');
});

test('the locale takes its file, then that of its language, then the one without', async () => {
  const templates = folder({
    'it.md': page('Hello'),
    'it.fr.md': page('Bonjour'),
    'it.pt-BR.md': page('Oi'),
    'layouts/bare.njk': BARE,
  });
  const engine = createTemplates({ folder: templates });
  const of = async (locale?: string) => {
    const { text, locale: used } = await engine.render('it', { locale });
    return `${text.trim()} ${used}`;
  };
  expect(await of()).toBe('Hello en');
  expect(await of('fr-CA')).toBe('Bonjour fr');
  expect(await of('pt-br')).toBe('Oi pt-BR');
  expect(await of('de')).toBe('Hello en');
  await expect(of('../x')).rejects.toMatchObject({ code: 'E_EMAIL_OPTION' });
});

test('a template in a language that is written from the right says so', async () => {
  const templates = folder({ 'it.ar.md': page('مرحبا'), 'layouts/bare.njk': BARE });
  const { html } = await createTemplates({ folder: templates }).render('it', { locale: 'ar-EG' });
  expect(html).toContain('<html lang="ar" dir="rtl">');
});

test("the application's folder comes before the starter templates", async () => {
  const templates = folder({ 'welcome.md': page('Mine, {{ name }}'), 'layouts/bare.njk': BARE });
  const { text } = await createTemplates({ folder: templates }).render('welcome', { data: { name: 'Ada' } });
  expect(text).toBe('Mine, Ada\n');
});

test('the default layout can be replaced by name', async () => {
  const templates = folder({ 'layouts/default.njk': `${BARE}<hr>` });
  const data = { name: 'Ada', appName: 'App' };
  const { html } = await createTemplates({ folder: templates }).render('welcome', { data });
  expect(html).toContain('<hr>');
  expect(html).not.toContain('class="card"');
});

test('a changed file is seen at once while developing, and not when told so', async () => {
  const templates = folder({ 'it.md': page('an old text of some length'), 'layouts/bare.njk': BARE });
  const live = createTemplates({ folder: templates, reload: true });
  const fixed = createTemplates({ folder: templates, reload: false });
  for (const engine of [live, fixed])
    expect((await engine.render('it')).text).toBe('an old text of some length\n');
  write(templates, 'it.md', page('a new text of some length'));
  expect((await live.render('it')).text).toBe('a new text of some length\n');
  expect((await fixed.render('it')).text).toBe('an old text of some length\n');
  write(templates, 'layouts/bare.njk', BARE.replace('<html ', '<html class="two" '));
  expect((await live.render('it')).html).toContain('class="two"');
  rmSync(join(templates, 'it.md'));
  await expect(live.render('it')).rejects.toMatchObject({ code: 'E_EMAIL_TEMPLATE_NOT_FOUND' });
});

test('one template fills with different data without mixing them up', async () => {
  const templates = folder({
    'it.md': page('{% for x in list %}\n- {{ x }}\n{% endfor %}\n{% if end %}\n\n{{ end }}\n{% endif %}'),
    'layouts/bare.njk': BARE,
  });
  const engine = createTemplates({ folder: templates });
  const of = async (list: unknown[], end?: string) =>
    (await engine.render('it', { data: { list, end: end ?? null } })).text;
  const texts = await Promise.all([
    of(['a', 'b']),
    of(['c', 'd']),
    of(['e', 'e'], 'z'),
    of(['a'], 'y'),
    of(['f', 'g']),
  ]);
  expect(texts).toEqual(['- a\n- b\n', '- c\n- d\n', '- e\n- e\n\nz\n', '- a\n\ny\n', '- f\n- g\n']);
});

test('styles are put on their elements, @media rules stay, and no stylesheet is fetched', async () => {
  const secret = folder({ 'secret.css': 'p { color: purple }' });
  const layout = `<!doctype html><html lang="en" dir="ltr"><head><title>{{ subject }}</title><link rel="stylesheet" href="file://${secret}/secret.css"><style>p { color: green } @media (prefers-color-scheme: dark) { p { color: white !important } }</style></head><body>{{ content }}</body></html>`;
  const { html } = await render('Hi', {}, { layout });
  expect(html).toContain('<p style="color: green;">Hi</p>');
  expect(html).toMatch(/@media \(prefers-color-scheme: ?dark\)/);
  expect(html).not.toContain('purple');
});

test('rendering is told to who listens', async () => {
  const seen: unknown[] = [];
  const end = subscribeOperation('email.render', {
    start: ({ template, locale }) => seen.push([template, locale]),
  });
  const engine = createTemplates({ folder: folder() });
  await engine.render('welcome', { data: { name: 'Ada', appName: 'App' }, locale: 'fr' });
  end();
  expect(seen).toEqual([['welcome', 'fr']]);
});

test('findings name what is worth a look', async () => {
  const layout = '<html><body>{{ content }}<img src="https://example.com/a.png"></body></html>';
  const { findings } = await render('{{ long }}', { long: 'x'.repeat(103 * 1024), nmae: 1 }, { layout });
  expect(findings.map(({ rule }) => rule).sort()).toEqual(
    ['alt', 'lang', 'preheader', 'size', 'title', 'unused-data'].sort(),
  );
  expect((await render('', {}, { subject: '{{ s }}' }).catch((error) => error)).code).toBe('E_EMAIL_DATA');
  const empty = await render('{{ s }}', { s: '' }, { subject: '{{ s }}' });
  expect(empty.findings.map(({ rule }) => rule)).toEqual(['subject', 'preheader']);
});
