export * from '@vibeonrails/infra-core';
