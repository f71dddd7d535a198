/**
 * A Content-Disposition header that saves the body as `filename` (RFC 6266, RFC 8187). Whatever the name holds, it
 * stays one quoted file name: no path, no quote, no control character.
 */
export function attachment(filename: string): string {
  const safe = filename.replaceAll(/[\p{Control}\p{Surrogate}/\\]/gu, '_');
  const ascii = safe.replaceAll(/[^\x20-\x7e]/g, '_').replaceAll(/["%]/g, '_');
  const exact = encodeURIComponent(safe).replaceAll(
    /['()*!]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${ascii}"${ascii === safe ? '' : `; filename*=UTF-8''${exact}`}`;
}
