export * from '@vibeonrails/infra-health';
