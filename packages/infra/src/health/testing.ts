export * from '@vibeonrails/infra-health/testing';
