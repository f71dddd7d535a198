// Imports two copies of packages that cannot share their state, uses the first, then the second, and prints the code
// with which the second is refused. Arguments: two packages, and the name of the default object to use, if any.
const [first, second, name, call] = process.argv.slice(2);
try {
  for (const specifier of [first, second]) {
    const loaded = await import(specifier);
    if (name) await loaded[name][call]('key');
  }
  console.log('not refused');
} catch (error) {
  console.log(error.code, error.message);
}
