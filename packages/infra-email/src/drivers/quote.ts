/** What the other side said, for a message: on one line, not too long, without the secret. */
export function quote(text: string, secret: string | undefined): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  const line = text.replaceAll(/[\s\u0000-\u001f\u007f]+/g, ' ').trim();
  const safe = secret ? line.replaceAll(secret, '…') : line;
  return `${safe.length > 300 ? `${safe.slice(0, 300)}…` : safe}${/[.…]$/.test(safe) ? '' : '.'}`;
}
