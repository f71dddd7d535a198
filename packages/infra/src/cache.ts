export * from '@vibeonrails/infra-cache';
