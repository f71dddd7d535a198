export * from '@vibeonrails/infra-queue/testing';
