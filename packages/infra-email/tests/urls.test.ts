import { describe, expect, it, test } from 'vitest';
import { render } from './folder.ts';

const link = async (address: string, data: Readonly<Record<string, unknown>>): Promise<string> => {
  const { html, text } = await render(`[label](${address})`, data);
  const [, href = ''] = /href="([^"]*)"/.exec(html) ?? [];
  const plain = href.replaceAll('&#39;', "'").replaceAll('&quot;', '"').replaceAll('&amp;', '&');
  expect(text).toBe(`label (${plain})\n`);
  return plain;
};

describe('a value can be a whole address', () => {
  it.each([
    'https://example.com/a?b=c&d=e#f',
    'http://localhost:3000/verify?token=a%20b',
    'HTTPS://EXAMPLE.COM/',
    'mailto:ada@example.com?subject=Hi%20there',
    'tel:+49301234567',
  ])('%s', async (url) => {
    expect(await link('{{ url }}', { url })).toBe(url);
  });
});

describe('a value that is no address to follow is refused', () => {
  it.each([
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    ' javascript:alert(1)',
    'java\nscript:alert(1)',
    'java\tscript:alert(1)',
    '\u0001javascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:x',
    'file:///etc/passwd',
    'ftp://example.com',
    'cid:logo',
    '//evil.example/x',
    '/verify',
    'example.com',
    '#top',
    '',
    'https:',
    'https:example.com',
    'https:///example.com',
    'https://',
    'https://exa mple.com',
    'https:\\\\example.com',
  ])('%j', async (url) => {
    for (const body of ['[x]({{ url }})', '{% button url %}x{% endbutton %}', '![x]({{ url }})'])
      if (!(body.startsWith('!') && url === 'cid:logo'))
        await expect(render(body, { url })).rejects.toMatchObject({
          code: 'E_EMAIL_URL',
          message: expect.stringMatching(/it\.md:5: \{\{ url \}\} makes the address/),
        });
  });
});

describe('behind the text of a template a value stays in its place', () => {
  it.each([
    [
      'a query',
      'https://x.com/?t={{ v }}&u=1',
      'a b&admin=1#x',
      'https://x.com/?t=a%20b%26admin%3D1%23x&u=1',
    ],
    [
      'a query, already encoded',
      'https://x.com/?t={{ v | urlencode }}',
      'a b&c',
      'https://x.com/?t=a%20b%26c',
    ],
    ['a path', 'https://x.com/u/{{ v }}/edit', 'a/b?c#d e', 'https://x.com/u/a/b%3Fc%23d%20e/edit'],
    ['a fragment', 'https://x.com/#{{ v }}', 'a?b', 'https://x.com/#a%3Fb'],
    ['a part of the host', 'https://{{ v }}.x.com/', 'acme', 'https://acme.x.com/'],
    ['the host', 'https://{{ v }}/a', 'acme.com:8443', 'https://acme.com:8443/a'],
    ['a path from its slash on', 'https://x.com{{ v }}', '/a/b', 'https://x.com/a/b'],
    ['a port', 'https://x.com{{ v }}/', ':8080', 'https://x.com:8080/'],
    [
      'a mailbox',
      'mailto:{{ v }}',
      'ada+x@example.com?cc=evil@x.com',
      'mailto:ada%2Bx@example.com%3Fcc%3Devil@x.com',
    ],
    ['a quote', 'https://x.com/?a={{ v }}', '"><b>\'', "https://x.com/?a=%22%3E%3Cb%3E'"],
  ])('%s', async (_, address, v, expected) => {
    expect(await link(address, { v })).toBe(expected);
  });

  it.each([
    ['another host behind the template’s', 'https://x.com{{ v }}', '.evil.com/'],
    ['a login that makes a host of what follows', 'https://x.com{{ v }}', '@evil.com'],
    ['a path in the place of a host', 'https://{{ v }}.x.com/', 'evil.com/'],
    ['a host that escapes the template’s', 'https://{{ v }}.x.com/', 'evil.com#'],
    ['a host with a backslash', 'https://{{ v }}.x.com/', 'evil.com\\'],
    ['no host at all', 'https://{{ v }}/', ''],
    ['a slash in the place of a host', 'https://{{ v }}', '/evil.com'],
    ['a scheme that the template began', 'java{{ v }}', 'script:alert(1)'],
  ])('%s is refused', async (_, address, v) => {
    await expect(render(`[x](${address})`, { v })).rejects.toMatchObject({ code: 'E_EMAIL_URL' });
  });

  it('also when two values meet', async () => {
    const body = '[x]({{ base }}{{ path }})';
    const { text } = await render(body, { base: 'https://x.com', path: '/a b' });
    expect(text).toBe('x (https://x.com/a%20b)\n');
    await expect(render(body, { base: 'https://x.com', path: '.evil.com' })).rejects.toMatchObject({
      code: 'E_EMAIL_URL',
    });
    await expect(render(body, { base: 'javascript', path: ':alert(1)' })).rejects.toMatchObject({
      code: 'E_EMAIL_URL',
    });
  });
});

test('an image takes a web address or an attached one', async () => {
  const { html } = await render('![Logo]({{ a }}) ![Logo]({{ b }})', {
    a: 'cid:logo',
    b: 'https://x.com/a.png',
  });
  expect(html).toContain('src="cid:logo"');
  expect(html).toContain('src="https://x.com/a.png"');
  await expect(render('![x]({{ a }})', { a: 'mailto:a@b.c' })).rejects.toMatchObject({ code: 'E_EMAIL_URL' });
});

test('a dangerous address in the template itself is no link either', async () => {
  const { html } = await render('[x](javascript:alert(1)) <b onclick="x">y</b>');
  expect(html).not.toMatch(/<a\b|<b\b/);
});
