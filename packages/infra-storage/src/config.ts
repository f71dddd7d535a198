import {
  bool,
  type Config,
  type ConfigValues,
  defineConfig,
  oneOf,
  type Reader,
  type ReportProblem,
  secret,
  text,
  url,
} from './core.ts';
import type { S3Account } from './drivers/s3/address.ts';

/** The drivers a storage can run on. */
export type StorageDriverName = 'fs' | 's3';

/** The bucket of an S3-compatible store. What is left out comes from the variable named. */
export interface S3Options {
  /** @default S3_BUCKET */
  bucket?: string;
  /** `https://host`. @default S3_ENDPOINT, else Amazon's of the region */
  endpoint?: string;
  /** @default S3_REGION, else us-east-1 */
  region?: string;
  /** @default S3_ACCESS_KEY_ID */
  accessKeyId?: string;
  /** @default S3_SECRET_ACCESS_KEY */
  secretAccessKey?: string;
  /** @default S3_SESSION_TOKEN */
  sessionToken?: string;
  /** The bucket in the path of URLs instead of the host. @default S3_PATH_STYLE, else true with an endpoint */
  pathStyle?: boolean;
}

/** The least a secret must have. */
export const MIN_SECRET = 16;

/** True for what signed URLs can start with: a path, or an absolute http(s) URL, without query and fragment. */
export function isBaseUrl(value: string): boolean {
  if (/[?#\\]/.test(value) || value.startsWith('//')) return false;
  if (value.startsWith('/')) return true;
  return URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}

/** The form of {@link isBaseUrl}, for messages. */
export const BASE_URL_FORM = "a path such as '/storage', or a URL such as 'https://example.com/storage'";

/** The form of a bucket's name, for messages. */
const BUCKET_FORM = "a bucket's name: 3 to 63 lower-case letters, digits, '.' and '-'";

type Optional = Reader<string | undefined>;

/** The variables of the storage, and what each holds. */
export interface StorageShape {
  readonly [variable: string]: Reader<unknown>;
  readonly STORAGE_DRIVER: Reader<StorageDriverName | undefined>;
  readonly STORAGE_DIR: Reader<string>;
  readonly STORAGE_SECRET: Optional;
  readonly STORAGE_URL: Reader<string>;
  readonly S3_BUCKET: Optional;
  readonly S3_ENDPOINT: Optional;
  readonly S3_REGION: Optional;
  readonly S3_ACCESS_KEY_ID: Optional;
  readonly S3_SECRET_ACCESS_KEY: Optional;
  readonly S3_SESSION_TOKEN: Optional;
  readonly S3_PATH_STYLE: Reader<boolean | undefined>;
  readonly AWS_ENDPOINT_URL_S3: Optional;
  readonly AWS_REGION: Optional;
  readonly AWS_ACCESS_KEY_ID: Optional;
  readonly AWS_SECRET_ACCESS_KEY: Optional;
  readonly AWS_SESSION_TOKEN: Optional;
}

/** The values of the variables. */
export type StorageValues = ConfigValues<StorageShape>;

const insteadOf = (name: string): { optional: true; description: string } => ({
  optional: true,
  description: `used where ${name} is not set`,
});

/** The variables of the storage. */
export const config: Config<StorageShape> = defineConfig(
  {
    STORAGE_DRIVER: oneOf(['fs', 's3'], { optional: true, description: 'where files are kept' }),
    STORAGE_DIR: text({ default: '.storage', description: 'the folder of the filesystem driver' }),
    STORAGE_SECRET: secret({
      optional: true,
      minLength: MIN_SECRET,
      description: 'signs the URLs of the filesystem driver; required in production',
    }),
    STORAGE_URL: text({
      default: '/storage',
      description: 'what signed URLs start with: where storage.handler() is mounted',
    }),
    S3_BUCKET: text({ optional: true, description: `${BUCKET_FORM}; chooses S3` }),
    S3_ENDPOINT: url({
      optional: true,
      protocols: ['https', 'http'],
      description: "the store; without it, Amazon's of the region",
    }),
    S3_REGION: text({ optional: true, description: 'us-east-1 where it is not set' }),
    S3_ACCESS_KEY_ID: text({ optional: true, description: 'who we are there' }),
    S3_SECRET_ACCESS_KEY: secret({ optional: true, description: 'signs requests and URLs' }),
    S3_SESSION_TOKEN: secret({ optional: true, description: 'of keys that are lent for a time' }),
    S3_PATH_STYLE: bool({
      optional: true,
      description: 'the bucket in the path of URLs; with S3_ENDPOINT it is, unless told otherwise',
    }),
    AWS_ENDPOINT_URL_S3: text({ ...insteadOf('S3_ENDPOINT'), fallback: 'AWS_ENDPOINT_URL' }),
    AWS_REGION: text({ ...insteadOf('S3_REGION'), fallback: 'AWS_DEFAULT_REGION' }),
    AWS_ACCESS_KEY_ID: text(insteadOf('S3_ACCESS_KEY_ID')),
    AWS_SECRET_ACCESS_KEY: secret(insteadOf('S3_ACCESS_KEY_ID')),
    AWS_SESSION_TOKEN: secret(insteadOf('S3_ACCESS_KEY_ID')),
  },
  {
    package: '@vibeonrails/infra-storage',
    check(values, report) {
      if (!isBaseUrl(values.STORAGE_URL)) report('STORAGE_URL', BASE_URL_FORM);
      checkS3(values, report);
    },
  },
);

const VARIABLES = {
  bucket: 'S3_BUCKET',
  endpoint: 'S3_ENDPOINT',
  region: 'S3_REGION',
  accessKeyId: 'S3_ACCESS_KEY_ID',
  secretAccessKey: 'S3_SECRET_ACCESS_KEY',
  sessionToken: 'S3_SESSION_TOKEN',
  pathStyle: 'S3_PATH_STYLE',
} as const;

/** Options as the variables they stand in for, so that both are checked by one set of rules. */
export function asVariables(options: S3Options): Record<string, string> {
  const set = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(set.map(([name, value]) => [VARIABLES[name as keyof S3Options], String(value)]));
}

/** True when the variables choose an S3 store. */
export const isS3 = ({ STORAGE_DRIVER, S3_BUCKET }: StorageValues): boolean =>
  STORAGE_DRIVER === undefined ? S3_BUCKET !== undefined : STORAGE_DRIVER === 's3';

/** Reports what is missing or wrong for an S3 store; a store that is half described is a mistake, not a choice. */
function checkS3(values: StorageValues, report: ReportProblem): void {
  if (values.STORAGE_DRIVER === 'fs') return;
  const begun = Object.values(VARIABLES).some((name) => values[name] !== undefined);
  if (!begun && !isS3(values)) return;
  const { S3_BUCKET: bucket, S3_REGION: region } = values;
  if (bucket === undefined)
    report('S3_BUCKET', `${BUCKET_FORM}, since other variables of S3 are set`, 'missing');
  else if (!isBucket(bucket)) report('S3_BUCKET', BUCKET_FORM);
  const variable = values.S3_ENDPOINT === undefined ? 'AWS_ENDPOINT_URL_S3' : 'S3_ENDPOINT';
  const endpoint = values[variable] as string | undefined;
  if (endpoint !== undefined && !isOrigin(endpoint))
    report(variable, "a URL such as 'https://s3.example.com', without path, user and query");
  if (region !== undefined && !/^[\w-]+$/.test(region))
    report('S3_REGION', "a region such as 'eu-central-1'");
  checkKeys(values, report);
}

/** Keys come from one place: an id of ours with somebody else's secret, or session, would never fit. */
function checkKeys(values: StorageValues, report: ReportProblem): void {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = values;
  const { S3_ACCESS_KEY_ID: id, S3_SECRET_ACCESS_KEY: secret, S3_SESSION_TOKEN: token } = values;
  const isOurs = id !== undefined || secret !== undefined || token !== undefined;
  const missing = (variable: string, other: string): void =>
    report(variable, `a key to go with ${other}`, 'missing');
  if (isOurs) {
    if (id === undefined)
      missing('S3_ACCESS_KEY_ID', secret === undefined ? 'S3_SESSION_TOKEN' : 'its secret');
    if (secret === undefined)
      missing('S3_SECRET_ACCESS_KEY', id === undefined ? 'S3_SESSION_TOKEN' : 'S3_ACCESS_KEY_ID');
  } else if (AWS_ACCESS_KEY_ID === undefined && AWS_SECRET_ACCESS_KEY === undefined) {
    missing('S3_ACCESS_KEY_ID', 'the bucket');
    missing('S3_SECRET_ACCESS_KEY', 'the bucket');
  } else if (AWS_ACCESS_KEY_ID === undefined) missing('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY');
  else if (AWS_SECRET_ACCESS_KEY === undefined) missing('AWS_SECRET_ACCESS_KEY', 'AWS_ACCESS_KEY_ID');
}

const isBucket = (name: string): boolean =>
  /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) &&
  !name.includes('..') &&
  !/^\d+\.\d+\.\d+\.\d+$/.test(name);

function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, pathname, search, hash, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && pathname === '/' && `${search}${hash}${username}${password}` === '';
}

/** The account of the variables, which have been checked. */
export function accountOf(values: StorageValues): S3Account {
  const isOurs = values.S3_ACCESS_KEY_ID !== undefined;
  const endpoint = values.S3_ENDPOINT ?? values.AWS_ENDPOINT_URL_S3;
  return {
    bucket: values.S3_BUCKET ?? '',
    endpoint,
    region: values.S3_REGION ?? values.AWS_REGION ?? 'us-east-1',
    accessKeyId: (isOurs ? values.S3_ACCESS_KEY_ID : values.AWS_ACCESS_KEY_ID) ?? '',
    secretAccessKey: (isOurs ? values.S3_SECRET_ACCESS_KEY : values.AWS_SECRET_ACCESS_KEY) ?? '',
    sessionToken: isOurs ? values.S3_SESSION_TOKEN : values.AWS_SESSION_TOKEN,
    pathStyle: values.S3_PATH_STYLE ?? endpoint !== undefined,
  };
}
