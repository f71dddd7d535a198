export * from '@vibeonrails/infra-realtime/client';
