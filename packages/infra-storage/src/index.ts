export { createStorage, type Storage, type StorageOptions } from './client.ts';
export type { S3Options, StorageDriverName } from './config.ts';
export type {
  ByteRange,
  ByteStream,
  DeleteFailure,
  DriverCallOptions,
  DriverFile,
  DriverGetOptions,
  DriverListOptions,
  DriverPage,
  DriverPutOptions,
  DriverSignOptions,
  DriverUploadOptions,
  FileInfo,
  ListedFile,
  SignedGrant,
  SignedRequest,
  SignedUpload,
  StorageDriver,
} from './driver.ts';
export {
  StorageAccessError,
  StorageBodyError,
  StorageBucketError,
  StorageChecksumError,
  StorageClosedError,
  StorageConflictError,
  StorageContentError,
  StorageDamagedError,
  StorageExistsError,
  StorageExpiryError,
  StorageKeyError,
  StorageLibraryError,
  StorageLinkError,
  StorageMethodError,
  StorageNotFoundError,
  StorageOptionError,
  StoragePrefixError,
  StorageRangeError,
  StorageReadError,
  StorageReadOnlyError,
  StorageRefusedError,
  StorageSecretRequiredError,
  StorageSignatureError,
  StorageTooLargeError,
  StorageTypeError,
  StorageUnavailableError,
} from './errors.ts';
export type {
  DeleteReport,
  Files,
  GetOptions,
  Listing,
  ListOptions,
  ListPage,
  PutOptions,
  SignedUploadOptions,
  SignedUrlOptions,
} from './files.ts';
export type { Body } from './input.ts';
export type { Checksum, Progress } from './metered.ts';
export { configureStorage, storage, storageHealthCheck } from './module.ts';
export type { StoredFile } from './stored-file.ts';
