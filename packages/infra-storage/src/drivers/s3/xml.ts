/*
 * S3's XML is flat and regular. A general parser would have to be told of every field that it is text: keys such as
 * `007`, `1e3` and `false` are names.
 */

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

const decoded = (text: string): string =>
  text.replaceAll(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    return String.fromCodePoint(decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal));
  });

/** A text that can stand in an element. */
export const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** The inside of every element of this name, as it came. */
export const elements = (xml: string, name: string): string[] =>
  Array.from(
    xml.matchAll(new RegExp(`<${name}(?:\\s[^>]*)?>([\\s\\S]*?)</${name}>`, 'g')),
    ([, inner]) => inner ?? '',
  );

/** The text of the first element of this name. */
export function textOf(xml: string, name: string): string | undefined {
  const [inner] = elements(xml, name);
  return inner === undefined ? undefined : decoded(inner);
}

/** A key as the listing has it: percent-encoded when it says so. */
export function keyReader(xml: string): (element: string, name: string) => string {
  const encoded = textOf(xml, 'EncodingType') === 'url';
  return (element, name) => {
    const text = textOf(element, name) ?? '';
    return encoded ? decodeURIComponent(text.replaceAll('+', ' ')) : text;
  };
}

/** An etag without its quotes. */
export const bareEtag = (etag: string | undefined): string => (etag ?? '').replaceAll('"', '');
