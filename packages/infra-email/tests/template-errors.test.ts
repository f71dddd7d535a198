import { once } from '@vibeonrails/infra-core';
import { describe, expect, it, test } from 'vitest';
import { library } from '../src/errors.ts';
import type { TemplateDataError } from '../src/index.ts';
import { createTemplates } from '../src/templates.ts';
import { BARE, bodyOf, folder, render } from './folder.ts';

const failure = async (promise: Promise<unknown>): Promise<Error & { code?: string }> => {
  const error: unknown = await promise.catch((reason: unknown) => reason);
  if (error instanceof Error) return error;
  throw new Error('it did not fail');
};

test('a missing template names every path that was searched, and the closest name', async () => {
  const templates = folder({ 'billing/invoice.md': '---\nsubject: x\n---\n' });
  const engine = createTemplates({ folder: templates });
  const error = await failure(engine.render('welcom', { locale: 'fr' }));
  expect(error).toMatchObject({ code: 'E_EMAIL_TEMPLATE_NOT_FOUND', template: 'welcom' });
  expect(error.message).toContain('Did you mean "welcome"?');
  const { searched } = error as unknown as { searched: string[] };
  expect(searched).toHaveLength(4);
  expect(searched[0]).toBe(`${templates}/welcom.fr.md`);
  expect(searched[1]).toBe(`${templates}/welcom.md`);
  for (const path of searched) expect(error.message).toContain(path);
  expect((await failure(engine.render('billing/invioce'))).message).toContain('"billing/invoice"');
});

test('a missing layout is named too', async () => {
  const templates = folder({ 'it.md': '---\nsubject: x\nlayout: defualt\n---\n' });
  const error = await failure(createTemplates({ folder: templates }).render('it'));
  expect(error.code).toBe('E_EMAIL_TEMPLATE_NOT_FOUND');
  expect(error.message).toContain('layout "defualt". Did you mean "default"?');
});

describe('a name can never leave the folder of templates', () => {
  it.each([
    '../secret',
    'a/../../secret',
    '/etc/passwd',
    'a\\b',
    '.hidden',
    'a/.hidden',
    '',
    'a//b',
    'welcome.md',
    'welcome\0',
    'layouts/default',
    'ü',
    'a b',
  ])('%j', async (name) => {
    const error = await failure(createTemplates({ folder: folder() }).render(name));
    expect(error.code).toBe('E_EMAIL_TEMPLATE_NAME');
  });

  it('nor can that of a layout', async () => {
    const templates = folder({ 'it.md': '---\nsubject: x\nlayout: ../../etc/passwd\n---\n' });
    const error = await failure(createTemplates({ folder: templates }).render('it'));
    expect(error.code).toBe('E_EMAIL_TEMPLATE_NAME');
  });
});

test('every missing variable is reported at once, with its place and the closest name', async () => {
  const templates = folder({
    'it.md':
      '---\nsubject: Hi {{ nmae }}\nlayout: own\n---\n\nDear {{ name }},\n\n{% if never %}\n{{ user.adress.city }}\n{% endif %}\n\n{% for item in items %}\n{{ item.price }}\n{% endfor %}\n\n{{ fn(arg) }}',
    'layouts/own.njk': `${BARE}\n{{ footer }}`,
  });
  const data = { name: 'x', user: { address: {} }, items: [{ price: 1 }, { prize: 2 }], fn: () => 1 };
  const error = await failure(createTemplates({ folder: templates }).render('it', { data }));
  expect(error.code).toBe('E_EMAIL_DATA');
  const { missing } = error as TemplateDataError;
  expect(missing.map(({ variable, line, closest }) => [variable, line, closest])).toEqual([
    ['nmae', 2, 'name'],
    ['never', 8, undefined],
    ['user.adress', 9, 'address'],
    ['items[1].price', 13, 'prize'],
    ['arg', 16, undefined],
    ['footer', 2, undefined],
  ]);
  expect(missing[0]?.file).toBe(`${templates}/it.md`);
  expect(missing[5]?.file).toBe(`${templates}/layouts/own.njk`);
  expect(error.message).toContain(`nmae (${templates}/it.md:2) Did you mean "name"?`);
});

test('of thousands of missing variables the message names twenty', async () => {
  const items = Array.from({ length: 3000 }, () => ({}));
  const error = await failure(render('{% for item in items %}{{ item.price }}{% endfor %}', { items }));
  expect((error as TemplateDataError).missing).toHaveLength(3000);
  expect(error.message).toContain('items[19].price');
  expect(error.message).not.toContain('items[20].price');
  expect(error.message).toContain('and 2980 more');
});

test('a library that is not there is one coded error, tried again at the next use', async () => {
  let tries = 0;
  const load = once(() =>
    library('nunjucks', async () => {
      tries += 1;
      if (tries === 1) throw new Error('Cannot find module');
      return tries;
    }),
  );
  await expect(load()).rejects.toMatchObject({
    code: 'E_EMAIL_LIBRARY',
    message: expect.stringContaining('nunjucks'),
  });
  expect(await load()).toBe(2);
  expect(await load()).toBe(2);
});

test('a variable that the template provides for may be absent; null, false and empty are values', async () => {
  expect(await bodyOf('{{ a | default("none") }}{% if b is defined %}{{ b }}{% endif %}!')).toBe(
    '<p>none!</p>',
  );
  expect(await bodyOf('{{ a.b | d("none") }}{{ "x" if c is undefined else c }}')).toBe('<p>nonex</p>');
  expect(await bodyOf('{% if a %}a{% endif %}{{ b }}{{ c }}{{ d }}', { a: null, b: null, c: '', d: 0 })).toBe(
    '<p>0</p>',
  );
});

test('what is printed without a value is missing, also where no path shows it', async () => {
  const error = await failure(render('a\n\n{{ table[key] }}', { table: { a: 1 }, key: 'b' }));
  expect(error).toMatchObject({ code: 'E_EMAIL_DATA', missing: [{ variable: 'table[…]', line: 7 }] });
  await expect(render('{{ a }}{% if a is defined %}{{ a }}{% endif %}')).rejects.toMatchObject({
    code: 'E_EMAIL_DATA',
  });
});

test('loop variables, set variables and globals are no data', async () => {
  const body =
    '{% set x = 1 %}{% for k, v in map %}{{ loop.index }}{{ k }}{{ v.n }}{% endfor %}{{ x }}{% for i in range(2) %}{{ i }}{% endfor %}';
  expect(await bodyOf(body, { map: { a: { n: 5 } } })).toBe('<p>1a5101</p>');
  const error = await failure(render('{% for k, v in map %}{{ v.n }}{% endfor %}', { map: { a: {} } }));
  expect((error as TemplateDataError).missing[0]?.variable).toBe('map[a].n');
});

describe('what has no one form as text is refused by name', () => {
  it.each([
    ['a list', ['a']],
    ['an object', { a: 1 }],
    ['a date', new Date(0)],
    ['a function', () => 'x'],
  ])('%s', async (what, value) => {
    const error = await failure(render('\n\n{{ value }}', { value }));
    expect(error.code).toBe('E_EMAIL_VALUE');
    expect(error.message).toContain(`it.md:7: {{ value }} is ${what}`);
  });
});

describe('a mistake in a template names its line', () => {
  it.each([
    // Of a tag that nothing closes, nunjucks does not say where it is: the body's first line stands in.
    ['an unclosed tag', 'a\n{% if x %}', 5, 'expected elif, else, or endif'],
    ['an unknown tag', 'a\n\n{% foo %}', 7, 'unknown block tag: foo'],
    ['an unknown filter', '{{ x | uper }}', 5, 'Did you mean "upper"?'],
    ['an unknown test', '{{ 1 if x is definde }}', 5, 'Did you mean "defined"?'],
    ['a filter that would unescape', '{{ x | safe }}', 5, 'Data is always escaped'],
    ['a filter that would escape twice', '\n{{ x | escape }}', 6, 'Leave the filter out'],
    ['an include', '{% include "x.md" %}', 5, 'layout'],
    ['a block', '{% block x %}{% endblock %}', 5, 'layout: default'],
    ['a macro', '{% macro x() %}{% endmacro %}', 5, 'Use a loop'],
    ['a captured block', '{% set x %}a{% endset %}', 5, 'Set a variable to an expression'],
    ['a button without an address', '{% button %}x{% endbutton %}', 5, '{% button url %}'],
    ['a panel with an argument', '{% panel x %}x{% endpanel %}', 5, 'takes no argument'],
    ['a call of what is no function', 'a\n{{ x() }}', 6, 'not a function'],
  ])('%s', async (_, body, line, words) => {
    const error = await failure(render(body, { x: 'x' }));
    expect(error).toMatchObject({ code: 'E_EMAIL_TEMPLATE_SYNTAX', site: { line } });
    expect(error.message).toContain(words);
  });
});

describe('front matter that is not what it should be names its line', () => {
  it.each([
    ['none at all', '# Hello', 1, 'no front matter'],
    ['no end', '---\nsubject: x\n', 1, 'no front matter'],
    ['no subject', '---\nlayout: default\n---\n', 1, 'no subject'],
    ['an empty one', '---\n---\n', 1, 'no subject'],
    ['an unknown name', '---\nsubject: x\npreheder: y\n---\n', 3, 'Did you mean "preheader"?'],
    ['braces without quotes', '---\nlayout: default\nsubject: {{ name }}\n---\n', 3, 'Put quotes around it'],
    ['YAML that is none', '---\nsubject: "x\n---\n', 3, 'no YAML'],
    ['a list', '---\n- subject\n---\n', 2, 'names and values'],
  ])('%s', async (_, source, line, words) => {
    const error = await failure(createTemplates({ folder: folder({ 'it.md': source }) }).render('it'));
    expect(error).toMatchObject({ code: 'E_EMAIL_TEMPLATE_SYNTAX', site: { line } });
    expect(error.message).toContain(words);
  });
});

test('Windows line ends and a byte order mark are read like any other', async () => {
  const templates = folder({
    'it.md': '\uFEFF---\r\nsubject: Hi\r\nlayout: bare\r\n---\r\n# A\r\n\r\nb\r\n',
    'layouts/bare.njk': BARE,
  });
  const { text, subject } = await createTemplates({ folder: templates }).render('it');
  expect([subject, text]).toEqual(['Hi', 'A\n\nb\n']);
});
