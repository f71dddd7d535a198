export * from '@vibeonrails/infra-monitoring';
