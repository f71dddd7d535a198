export * from '@vibeonrails/infra-realtime';
