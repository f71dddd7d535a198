import { closest } from '../closest.ts';

/** Something about a rendered e-mail that is worth a look. It does not keep it from being sent. */
export interface Finding {
  readonly rule: 'size' | 'preheader' | 'subject' | 'lang' | 'title' | 'alt' | 'text' | 'unused-data';
  readonly message: string;
}

/** Gmail cuts a message off behind this many bytes of HTML. */
const MAX_HTML_BYTES = 102 * 1024;

/** What can be said of a page before its values are in. */
export function pageFindings(html: string, text: string): Finding[] {
  const findings: Finding[] = [];
  if (!/<html[^>]*\slang=/i.test(html) || !/<html[^>]*\sdir=/i.test(html))
    findings.push({
      rule: 'lang',
      message: 'The layout\'s <html> lacks lang or dir: <html lang="{{ lang }}" dir="{{ dir }}">.',
    });
  if (!/<title>[^<]/i.test(html))
    findings.push({ rule: 'title', message: 'The layout has no <title>{{ subject }}</title>.' });
  for (const [image] of html.matchAll(/<img\b[^>]*>/gi))
    if (!/\salt=/i.test(image))
      findings.push({ rule: 'alt', message: 'An image has no text in its place: give it an alt.' });
  if (text.trim() === '') findings.push({ rule: 'text', message: 'The text form is empty.' });
  return findings;
}

/** What can be said of a finished message. */
export function messageFindings(subject: string, preheader: string, html: string): Finding[] {
  const findings: Finding[] = [];
  if (subject === '') findings.push({ rule: 'subject', message: 'The subject is empty.' });
  if (preheader === '')
    findings.push({
      rule: 'preheader',
      message: 'There is no preheader: an inbox shows the first words of the body behind the subject.',
    });
  const bytes = Buffer.byteLength(html);
  if (bytes > MAX_HTML_BYTES)
    findings.push({
      rule: 'size',
      message: `The HTML has ${bytes} bytes; Gmail cuts it off behind ${MAX_HTML_BYTES}.`,
    });
  return findings;
}

/** The names in the data that nothing of the template uses, given the names that its parts use. */
export function unusedData(
  data: Readonly<Record<string, unknown>>,
  parts: readonly ReadonlySet<string>[],
): Finding[] {
  const unused = Object.keys(data).filter((name) => !parts.some((part) => part.has(name)));
  return unused.map((name) => {
    const near = closest(
      name,
      parts.flatMap((part) => [...part]),
    );
    const hint = near ? ` Did you mean "${near}"?` : '';
    return {
      rule: 'unused-data',
      message: `The data holds "${name}", which the template does not use.${hint}`,
    };
  });
}
