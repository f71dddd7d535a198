export * from '@vibeonrails/infra-realtime/testing';
