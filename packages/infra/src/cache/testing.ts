export * from '@vibeonrails/infra-cache/testing';
