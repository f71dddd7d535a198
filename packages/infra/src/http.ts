export * from '@vibeonrails/infra-core/http';
