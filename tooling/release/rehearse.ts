import { cleanUp, cleanUpAtExit } from '@vibeonrails/smoke/commands';
import { Report } from '@vibeonrails/smoke/report';
import { rehearse } from './rehearsal.ts';

const usage = `Usage: npx pnpm release:rehearse

Rehearses releases in a temporary clone of the last commit, against a registry on 127.0.0.1: the first release; one
minor and one patch, one of which an application takes without the other; a major, which forces that of the
meta-package; a snapshot of a pull request. Nothing leaves this machine, and the working tree is not touched.

  -h, --help   this text`;

const [option] = process.argv.slice(2);
if (option === '--help' || option === '-h') console.log(usage);
else if (option !== undefined) {
  console.log(`There is no option "${option}".\n\n${usage}`);
  process.exitCode = 2;
} else {
  cleanUpAtExit();
  const report = new Report((line) => console.log(line));
  await rehearse(report);
  process.exitCode = report.finish();
  cleanUp();
}
