export * from '@vibeonrails/infra-core/logging';
