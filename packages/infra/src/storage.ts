export * from '@vibeonrails/infra-storage';
