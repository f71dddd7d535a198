import { type Config, defineConfig, oneOf, type Reader, secret, text } from '@vibeonrails/infra-core';

/** The drivers a storage can run on. */
export type StorageDriverName = 'fs';

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

/** The variables of the storage. */
export const config: Config<{
  readonly STORAGE_DRIVER: Reader<StorageDriverName | undefined>;
  readonly STORAGE_DIR: Reader<string>;
  readonly STORAGE_SECRET: Reader<string | undefined>;
  readonly STORAGE_URL: Reader<string>;
}> = defineConfig(
  {
    STORAGE_DRIVER: oneOf(['fs'], { optional: true, description: 'where files are kept' }),
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
  },
  {
    package: '@vibeonrails/infra-storage',
    check({ STORAGE_URL }, report) {
      if (!isBaseUrl(STORAGE_URL)) report('STORAGE_URL', BASE_URL_FORM);
    },
  },
);
