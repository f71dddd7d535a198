export * from '@vibeonrails/infra-monitoring/testing';
