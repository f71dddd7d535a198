export * from '@vibeonrails/infra-email/testing';
