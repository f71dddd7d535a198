/** Where a bucket is, and who we are there. All of it has been checked. */
export interface S3Account {
  readonly bucket: string;
  /** `https://host:port`; without it, Amazon's of the region. */
  readonly endpoint?: string | undefined;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  /** The bucket in the path of URLs, instead of in the host's name. */
  readonly pathStyle: boolean;
}

/** The URL of the store. */
export function endpointOf({ endpoint, region }: Pick<S3Account, 'endpoint' | 'region'>): URL {
  if (endpoint !== undefined) return new URL(endpoint);
  return new URL(`https://s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`);
}

/** Percent-encoded as S3 signs it (RFC 3986). */
const encode = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );

/** A key with its slashes kept. */
export const encodePath = (key: string): string => key.split('/').map(encode).join('/');

/** A query in the form in which it is signed; parameters without a value stand alone. */
export const queryOf = (parameters: Readonly<Record<string, string | number | undefined>>): string =>
  Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${encode(name)}=${encode(String(value))}`)
    .sort()
    .join('&');
