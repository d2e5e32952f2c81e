// Writes the commit that dist/ was built from into dist/REVISION. Without git the file is empty, and the revision unknown.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

const git = spawnSync('git', ['rev-parse', '--short=12', 'HEAD'], { encoding: 'utf8' });
writeFileSync(new URL('../dist/REVISION', import.meta.url), git.status === 0 ? git.stdout : '');
