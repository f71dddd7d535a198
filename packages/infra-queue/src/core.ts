// One door to the core: Node resolves a package's name anew for each file that imports it, which costs more than the file.
export * from '@vibeonrails/infra-core';
