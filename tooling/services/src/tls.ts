import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Paths of a certificate for `localhost` and 127.0.0.1 that is its own authority. */
export interface Certificate {
  /** The certificate to trust: the same file as `cert`. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * Makes a certificate, valid for two days, in `folder`.
 *
 * @throws an Error when there is no `openssl`.
 */
export async function makeCertificate(folder: string): Promise<Certificate> {
  const cert = join(folder, 'tls.crt');
  const key = join(folder, 'tls.key');
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const args = ['req', '-x509', ...kind, ...names, '-keyout', key, '-out', cert];
  await promisify(execFile)('openssl', args).catch((error: unknown) => {
    throw new Error('A server with TLS needs openssl to make its certificate (apt-get install openssl)', {
      cause: error,
    });
  });
  return { ca: cert, cert, key };
}
