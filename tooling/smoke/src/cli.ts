import { cleanUp, cleanUpAtExit } from './commands.ts';
import { main } from './main.ts';

cleanUpAtExit();
process.exitCode = await main(process.argv.slice(2), (line) => console.log(line));
cleanUp();
