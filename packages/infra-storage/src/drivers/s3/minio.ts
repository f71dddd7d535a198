import type { IncomingMessage, RequestOptions } from 'node:http';
import { library } from '../../errors.ts';

/** One request, as the client of `minio` takes it. */
interface MinioRequest {
  method: string;
  bucketName: string;
  objectName?: string;
  /** Percent-encoded, without the question mark. */
  query?: string;
  headers?: Record<string, string>;
}

/**
 * What this driver uses of `minio`'s client: the addressing, signing and sending of a request. Its calls above that
 * are left aside: they read keys of digits as numbers, hold whole streams in memory, join uploads of the same key and
 * hang on a source that fails.
 */
export interface MinioClient {
  /** Resolves to the response, unread, when its status is among `expected`. */
  makeRequestAsync(
    request: MinioRequest,
    body: Buffer | string,
    expected: number[],
  ): Promise<IncomingMessage>;
  presignedUrl(
    method: string,
    bucket: string,
    key: string,
    seconds: number,
    query: Record<string, string>,
    date: Date,
  ): Promise<string>;
}

/** How the client is made. */
export interface MinioOptions {
  endPoint: string;
  port?: number;
  useSSL: boolean;
  accessKey: string;
  secretKey: string;
  sessionToken?: string;
  region: string;
  pathStyle: boolean;
  transport: {
    request(options: RequestOptions, onResponse: (res: IncomingMessage) => void): unknown;
  };
  retryOptions: { disableRetry: boolean };
}

/** Loads the library, and makes a client. */
export async function minioClient(options: MinioOptions): Promise<MinioClient> {
  const { Client } = await library('minio', () => import('minio'));
  return new Client(options as never) as unknown as MinioClient;
}
