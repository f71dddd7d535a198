/** What can be asked for by name. */
export type ServiceKind = 'redis' | 'redis-cluster' | 'redis-sentinel' | 's3' | 'chromium' | 'prometheus';

/** How one kind of service is found: what names it in the environment, what runs it, what installs it. */
export interface Need {
  readonly kind: ServiceKind;
  /** Variables that together name one that runs already; the first says whether it is meant at all. */
  readonly variables: readonly string[];
  /** Variables that may be left out. */
  readonly optional?: readonly string[];
  /** Programs that run it; in each row any one will do, and the first is the key it is found under. */
  readonly programs: readonly (readonly string[])[];
  /** A docker image that runs it as well as the programs do. */
  readonly image?: string;
  /** Debian's packages that bring the programs. */
  readonly packages: readonly string[];
  /** What to tell someone whose system is not Debian's. */
  readonly elsewhere: string;
}

const redis: Need = {
  kind: 'redis',
  variables: ['TEST_REDIS_URL'],
  programs: [['redis-server', 'valkey-server']],
  image: 'redis:7',
  packages: ['redis-server'],
  elsewhere: 'brew install redis',
};

/** Every service that this package knows. */
export const needs: Readonly<Record<ServiceKind, Need>> = {
  redis,
  // One node announces one address to clients and to the other nodes alike, which docker's published ports cannot be.
  'redis-cluster': {
    kind: 'redis-cluster',
    variables: [],
    programs: redis.programs,
    packages: redis.packages,
    elsewhere: redis.elsewhere,
  },
  // A Sentinel tells clients the address by which it knows a server itself.
  'redis-sentinel': {
    kind: 'redis-sentinel',
    variables: [],
    programs: redis.programs,
    packages: redis.packages,
    elsewhere: redis.elsewhere,
  },
  s3: {
    kind: 's3',
    variables: ['TEST_S3_ENDPOINT', 'TEST_S3_ACCESS_KEY_ID', 'TEST_S3_SECRET_ACCESS_KEY'],
    optional: ['TEST_S3_REGION'],
    programs: [['radosgw'], ['ceph-mon'], ['ceph-osd'], ['ceph'], ['radosgw-admin'], ['monmaptool']],
    packages: ['radosgw', 'ceph-mon', 'ceph-osd', 'ceph-common'],
    elsewhere: 'any S3-compatible server, named by the variables',
  },
  chromium: {
    kind: 'chromium',
    variables: ['CHROMIUM_PATH'],
    programs: [
      [
        'chromium',
        'chromium-browser',
        'google-chrome',
        'google-chrome-stable',
        '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
      ],
    ],
    packages: ['chromium'],
    elsewhere: 'Chromium or Google Chrome',
  },
  prometheus: {
    kind: 'prometheus',
    variables: [],
    programs: [['prometheus'], ['promtool']],
    packages: ['prometheus'],
    elsewhere: 'brew install prometheus',
  },
};
