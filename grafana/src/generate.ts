// Writes grafana/dashboards; with --check it writes nothing and exits 1 when the committed files differ.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { renderDashboards } from './dashboards.ts';

const folder = new URL('../dashboards/', import.meta.url);

function committed(): ReadonlyMap<string, string> {
  mkdirSync(folder, { recursive: true });
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return new Map(files.map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]));
}

const [option, ...rest] = process.argv.slice(2);
if ((option !== undefined && option !== '--check') || rest.length > 0) {
  console.error('usage: npm run dashboards [-- --check]');
  process.exit(1);
}

const wanted = renderDashboards();
const found = committed();
const differ = [...new Set([...wanted.keys(), ...found.keys()])].filter(
  (name) => wanted.get(name) !== found.get(name),
);
if (option === '--check') {
  if (differ.length > 0) {
    console.error(
      `grafana/dashboards differs from grafana/src in ${differ.join(', ')}; run: npm run dashboards`,
    );
    process.exitCode = 1;
  }
} else {
  for (const name of differ) {
    const content = wanted.get(name);
    if (content === undefined) rmSync(new URL(name, folder));
    else writeFileSync(new URL(name, folder), content);
  }
  console.log(differ.length === 0 ? 'unchanged' : `brought up to date: ${differ.join(', ')}`);
}
