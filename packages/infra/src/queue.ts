export * from '@vibeonrails/infra-queue';
