export * from '@vibeonrails/infra-storage/testing';
