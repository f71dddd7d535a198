import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../core.ts';
import type {
  DriverSignOptions,
  DriverUploadOptions,
  SignedGrant,
  SignedRequest,
  SignedUpload,
} from '../driver.ts';
import { StorageSignatureError } from '../errors.ts';
import { checkKey } from '../input.ts';

/** How a signer is made. */
export interface SignerOptions {
  /** What URLs start with: a path, or an absolute URL. */
  url: string;
  /** Asked once, at first use. */
  secret: () => Promise<string>;
  clock: Clock;
}

/** Signs and checks the URLs of a driver whose store cannot. */
export interface Signer {
  signedUrl(key: string, options: DriverSignOptions): Promise<string>;
  signedUpload(key: string, options: DriverUploadOptions): Promise<SignedUpload>;
  verify(request: SignedRequest): Promise<SignedGrant>;
}

/** All that a signature covers. */
interface Terms {
  readonly method: 'GET' | 'PUT';
  readonly key: string;
  /** Seconds since the epoch, as text. */
  readonly expires: string;
  readonly download?: string | undefined;
  readonly maxBytes?: string | undefined;
  readonly types?: string | undefined;
  readonly size?: string | undefined;
}

/** Makes a {@link Signer}: HMAC-SHA256 over method, key, expiry and limits, in the query of the URL. */
export function createSigner({ url, secret, clock }: SignerOptions): Signer {
  const start = url.replace(/\/+$/, '');
  const isPath = !/^https?:/.test(start);
  const mount = isPath ? start : new URL(start).pathname.replace(/\/+$/, '');
  let known: Promise<string> | undefined;
  const sign = async (terms: Terms): Promise<string> => {
    known ??= secret().catch((err: unknown) => {
      known = undefined;
      throw err;
    });
    return createHmac('sha256', await known)
      .update(canonical(terms))
      .digest('base64url');
  };
  const urlOf = async (terms: Terms, base: string | undefined): Promise<string> => {
    const { method: _, key, ...rest } = terms;
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(rest)) if (value !== undefined) query.set(name, value);
    query.set('signature', await sign(terms));
    const path = key.split('/').map(encodeURIComponent).join('/');
    const origin = base !== undefined && isPath ? base.replace(/\/+$/, '') : '';
    return `${origin}${start}/${path}?${query}`;
  };

  return {
    signedUrl: (key, { expiresAt, download, base }) =>
      urlOf({ method: 'GET', key, expires: seconds(expiresAt), download }, base),
    async signedUpload(key, { expiresAt, maxBytes, types, size, type, base }) {
      const expires = seconds(expiresAt);
      const terms = {
        method: 'PUT',
        key,
        expires,
        maxBytes: String(maxBytes),
        types: type ?? types.join(','),
        size: size === undefined ? undefined : String(size),
      } as const;
      return {
        url: await urlOf(terms, base),
        method: 'PUT',
        headers: type === undefined ? {} : { 'content-type': type },
        expiresAt: new Date(Number(expires) * 1000),
      };
    },
    async verify({ method, path, query }) {
      const given = query.get('signature');
      const text = (name: string): string | undefined => query.get(name) ?? undefined;
      if (given === null) throw new StorageSignatureError('has no signature');
      for (const key of keysOf(path, mount)) {
        const expires = text('expires') ?? '';
        const [maxBytes, types, size] = [text('maxBytes'), text('types'), text('size')];
        const download = text('download');
        const terms: Terms =
          method === 'GET'
            ? { method, key, expires, download }
            : { method, key, expires, maxBytes, types, size };
        if (!isEqual(given, await sign(terms))) continue;
        if (clock.now() >= Number(expires) * 1000) throw new StorageSignatureError('has expired');
        return method === 'GET'
          ? { key, download }
          : {
              key,
              maxBytes: Number(maxBytes),
              types: types?.split(','),
              size: size === undefined ? undefined : Number(size),
            };
      }
      throw new StorageSignatureError('does not carry the right signature');
    },
  };
}

const seconds = (ms: number): string => String(Math.ceil(ms / 1000));

/** One text for one set of terms: JSON keeps the parts apart whatever they hold. */
const canonical = ({ method, key, expires, download, maxBytes, types, size }: Terms): string =>
  JSON.stringify(['infra-storage', 1, method, key, expires, download, maxBytes, types, size]);

function isEqual(given: string, right: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * The keys a path may mean: below the mount path, and as a whole, since some frameworks cut the mount path off before
 * the handler sees it. The signature tells which it is.
 */
function keysOf(path: string, mount: string): string[] {
  const paths = mount !== '' && path.startsWith(`${mount}/`) ? [path.slice(mount.length), path] : [path];
  return paths.flatMap((one) => {
    try {
      return [checkKey(one.slice(1).split('/').map(decodeURIComponent).join('/'))];
    } catch {
      return [];
    }
  });
}
