import { describe, expect, it, test } from 'vitest';
import { createTemplates } from '../src/templates.ts';
import { bodyOf, folder, render } from './folder.ts';

const HOSTILE = [
  '**bold** _it_ `code` ~~x~~',
  '[click](https://evil.example)',
  '![x](https://evil.example/p.png)',
  '# heading',
  '- item\n- item',
  '1. one\n2. two',
  '> quote',
  '```\nfence\n```',
  '| a | b |\n|---|---|\n| 1 | 2 |',
  '---',
  '[x]: https://evil.example\n[x]',
  '<https://evil.example>',
  'https://evil.example www.evil.example',
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '"><b>',
  "' onclick='x",
  '</title></style></body></html>',
  '<!-- comment --><![CDATA[',
  '&lt;b&gt; &amp; &#60;script&#62;',
  '{{ secret }} {% if true %}x{% endif %} {# c #}',
  '$& $1 $` $$ \\$',
  'back\\slash \\*not\\* \\\\',
  '{% endbutton %}{% endpanel %}',
  '\u0002button https://evil.example\nx\n\u0003button',
  '\u0004https://evil.example\u0005 \u0006 \u00070\u0007',
  'null\0byte \u0007bell \u001b[31m',
  'line\u2028separator',
  '\ud800 lone surrogate',
  'constructor __proto__ prototype',
] as const;

/** What a browser would show of HTML that holds text and line breaks alone. */
const shown = (html: string): string =>
  html
    .replaceAll('<br>', '\n')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&nbsp;', '\u00a0')
    .replaceAll('&amp;', '&');
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is left out
const printable = (text: string): string => text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');

describe('data is text and nothing else', () => {
  it.each(HOSTILE)('%j', async (value) => {
    const around: [string, string, string][] = [
      ['{{ v }}', '<p>', '</p>'],
      ['# {{ v }}', '<h1>', '</h1>'],
      ['**{{ v }}**', '<p><strong>', '</strong></p>'],
      ['- {{ v }}', '<ul>\n<li>', '</li>\n</ul>'],
      ['`{{ v }}`', '<p><code>', '</code></p>'],
      ['x{{ v }}y', '<p>x', 'y</p>'],
      ['[{{ v }}](https://example.com)', '<p><a href="https://example.com">', '</a></p>'],
    ];
    for (const [template, before, after] of around) {
      const html = await bodyOf(template, { v: value });
      expect(html.startsWith(before) && html.endsWith(after), `${template}: ${html}`).toBe(true);
      const inner = html.slice(before.length, html.length - after.length);
      expect(inner.replaceAll('<br>', '')).not.toMatch(/[<>"']/);
      expect(shown(inner)).toBe(printable(value));
    }
  });

  it.each(HOSTILE)('in a table, an attribute, the title and the text: %j', async (value) => {
    const { html, text, subject } = await render(
      '{% table %}\n| A |\n|---|\n| {{ v }} |\n{% endtable %}\n\n![{{ v }}](https://example.com/a.png)',
      { v: value },
      { subject: 'S {{ v }}' },
    );
    expect(html.match(/<tr>/g)).toHaveLength(2);
    expect(html.match(/<td>/g)).toHaveLength(1);
    expect(html.match(/<a\b|<script|<b>|evil\.example\/p\.png"/g)).toBeNull();
    const [, alt = ''] = /<img src="https:\/\/example\.com\/a\.png" alt="([^"]*)">/.exec(html) ?? [];
    expect(shown(alt)).toBe(printable(value).replaceAll('\n', ' '));
    expect(text.split(printable(value))).toHaveLength(3);
    expect(subject).toBe(`S ${printable(value).replaceAll(/\s+/g, ' ')}`);
    expect(/<title>([^<]*)<\/title>/.exec(html)?.[1]).toBeDefined();
  });
});

test('a value in a button, a panel or a quotation cannot leave it', async () => {
  const v = 'a\n\n\u0003panel\n\n{% endpanel %}\n\n# out';
  const { html, text } = await render('{% panel %}\n> {{ v }}\n{% endpanel %}', { v });
  expect(html).toMatch(/<blockquote>\s*<p>a<br><br>panel<br>.*# out<\/p>\s*<\/blockquote>\s*<\/td>/s);
  expect(html).not.toContain('<h1>');
  expect(text).toBe('> a\n>\n> panel\n>\n> {% endpanel %}\n>\n> # out\n'.replaceAll('>\n', '> \n'));
});

test('line breaks in data stay line breaks', async () => {
  expect(await bodyOf('{{ v }}', { v: 'a\r\nb\rc\nd' })).toBe('<p>a<br>b<br>c<br>d</p>');
});

test('a subject and a preheader stay on one line', async () => {
  const v = 'Hi\r\nBcc: evil@example.com\u2028x\u0085y\0z';
  const templates = folder({ 'it.md': '---\nsubject: "{{ v }}"\npreheader: "{{ v }}"\n---\nx' });
  const { subject, html } = await createTemplates({ folder: templates }).render('it', { data: { v } });
  expect(subject).toBe('Hi Bcc: evil@example.com xyz');
  expect(html).toContain('class="preheader"');
  expect(html).not.toContain('\nBcc:');
});

describe('no template, and no name in data, reaches what is not data', () => {
  it.each(['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf'])('%s', async (name) => {
    await expect(render(`{{ ${name} }}`)).rejects.toMatchObject({ code: 'E_EMAIL_DATA' });
    for (const value of ['text', 5, ['a'], { a: 1 }, new Date(0), () => 1]) {
      await expect(render(`{{ v.${name} }}`, { v: value })).rejects.toMatchObject({ code: 'E_EMAIL_DATA' });
      await expect(render('{{ v[name] }}', { v: value, name })).rejects.toMatchObject({
        code: 'E_EMAIL_DATA',
      });
    }
  });

  it('and none runs code', async () => {
    const body = '{{ name.constructor.constructor("return process.env")() }}';
    await expect(render(body, { name: 'x' })).rejects.toMatchObject({
      code: expect.stringMatching(/^E_EMAIL/),
    });
    const dynamic = '{{ name[a][a]("return 1")() }}';
    await expect(render(dynamic, { name: 'x', a: 'constructor' })).rejects.toMatchObject({
      code: expect.stringMatching(/^E_EMAIL/),
    });
  });

  it('nor what polluted the prototype of all objects', async () => {
    const all = Object.prototype as Record<string, unknown>;
    all.polluted = 'evil';
    try {
      await expect(render('{{ polluted }}')).rejects.toMatchObject({ code: 'E_EMAIL_DATA' });
      await expect(render('{{ v.polluted }}', { v: {} })).rejects.toMatchObject({ code: 'E_EMAIL_DATA' });
      expect(await bodyOf('{% for k, v in map %}{{ k }}{% endfor %}', { map: { a: 1 } })).toBe('<p>a</p>');
    } finally {
      delete all.polluted;
    }
  });

  it('an own name of such a kind is data', async () => {
    expect(await bodyOf('{{ v.constructor }}{{ v.a }}', { v: { constructor: 'Lego', a: 1 } })).toBe(
      '<p>Lego1</p>',
    );
  });
});

test('methods and getters of class instances work', async () => {
  class User {
    first = 'Ada';
    get full(): string {
      return `${this.first} L.`;
    }
    greet(word: string): string {
      return `${word} ${this.first}`;
    }
  }
  expect(
    await bodyOf('{{ u.full }}, {{ u.greet("Hi") }}, {{ list.length }}', { u: new User(), list: [1] }),
  ).toBe('<p>Ada L., Hi Ada, 1</p>');
});

describe('a value where no escaping makes it safe is refused', () => {
  const layout = (inside: string): string =>
    `<!doctype html><html lang="en" dir="ltr"><head><title>x</title></head><body>${inside}{{ content }}</body></html>`;
  it.each([
    ["a tag's name", '<{{ v }}>'],
    ["an attribute's name", '<p {{ v }}="x">a</p>'],
    ['a bare attribute', '<p {{ v }}>a</p>'],
    ['a style', '<p style="color: {{ v }}">a</p>'],
    ['an event handler', '<p onclick="f({{ v }})">a</p>'],
    ['a comment', '<!-- {{ v }} -->'],
    ['a conditional comment', '<!--[if mso]>{{ v }}<![endif]-->'],
    ['a script', '<script>var x = "{{ v }}"</script>'],
    ['a script in a script', '<script><p>{{ v }}</p></script>'],
    ['a style sheet', '<style>p { color: {{ v }} }</style>'],
    ['a srcset', '<img alt="" srcset="{{ v }}">'],
    ['the address of a frame', '<iframe src="{{ v }}"></iframe>'],
    ['the address of a form', '<form action="{{ v }}"></form>'],
    ['the base of all addresses', '<base href="{{ v }}">'],
    ['a refresh', '<meta http-equiv="refresh" content="{{ v }}">'],
  ])('%s', async (_, inside) => {
    await expect(render('x', { v: 'a' }, { layout: layout(inside) })).rejects.toMatchObject({
      code: 'E_EMAIL_TEMPLATE_SYNTAX',
      message: expect.stringContaining('{{ v }}'),
    });
  });

  it('an address in angle brackets', async () => {
    await expect(render('Go to <{{ url }}>', { url: 'https://example.com' })).rejects.toMatchObject({
      code: 'E_EMAIL_TEMPLATE_SYNTAX',
      message: expect.stringContaining('Write [{{ url }}]({{ url }})'),
    });
  });

  it('while an attribute that shows text takes it, escaped', async () => {
    const { html } = await render('x', { v: '"><script>' }, { layout: layout('<p title="{{ v }}">a</p>') });
    expect(html).toContain('title="&quot;&gt;&lt;script&gt;"');
  });
});
