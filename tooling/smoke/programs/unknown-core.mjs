// In an application whose core shares its state under a contract that the module's core does not know: prints the code
// with which the second of them is refused. Arguments: the module, the core.
const [module, core] = process.argv.slice(2);
try {
  await import(module);
  (await import(core)).modulesInUse();
  console.log('not refused');
} catch (error) {
  console.log(error.code, error.message);
}
