export * from '@vibeonrails/infra-core/testing';
