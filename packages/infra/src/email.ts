export * from '@vibeonrails/infra-email';
