// Writes the generated parts of docs/metrics.md and docs/flags.md: run it after a change of a collector or a flag.
import { readFileSync, writeFileSync } from 'node:fs';
import { DOCS_PAGES, withGenerated } from './docs-pages.ts';

for (const { file, generate } of DOCS_PAGES) {
  const path = new URL(`../docs/${file}`, import.meta.url);
  writeFileSync(path, withGenerated(readFileSync(path, 'utf8'), generate()));
}
