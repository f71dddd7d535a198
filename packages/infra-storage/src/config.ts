import {
  bool,
  type Config,
  type ConfigValues,
  defineConfig,
  oneOf,
  type Reader,
  secret,
  text,
  url,
} from '@vibeonrails/infra-core';
import { BUCKET_FORM, checkS3 } from './s3-config.ts';

/** The drivers a storage can run on. */
export type StorageDriverName = 'fs' | 's3';

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
