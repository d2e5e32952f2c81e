import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';

const read = (path: string): Promise<string> =>
  readFile(new URL(`../../../${path}`, import.meta.url), 'utf8');

interface Job {
  readonly container: string | { readonly image: string };
  readonly strategy?: { readonly matrix: { readonly node: readonly number[] } };
  readonly steps: readonly { readonly run?: string }[];
}

const { jobs } = parse(await read('.github/workflows/ci.yml')) as {
  readonly jobs: Readonly<Record<string, Job>>;
};
const manifest = JSON.parse(await read('package.json'));

const commands = ({ steps }: Job): string[] => steps.flatMap(({ run }) => run ?? []);

test('the workflow runs what is run here, on Debian 12', async () => {
  const all = Object.values(jobs);
  expect(all.flatMap(commands)).toEqual(
    expect.arrayContaining(['npm run check', 'npm run test:unit', '.ci/run']),
  );
  for (const { container } of all)
    expect(typeof container === 'string' ? container : container.image).toBe('debian:bookworm');
  expect(await read('.ci/run')).toContain('npm --silent test\n');
});

test('every npm script that the workflow and CONTRIBUTING.md name exists', async () => {
  const text = [...Object.values(jobs).flatMap(commands), await read('CONTRIBUTING.md')].join('\n');
  const names = [...text.matchAll(/npm run\s+([\w:]+)/g)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(5);
  for (const name of names) expect(Object.keys(manifest.scripts)).toContain(name);
});

test('the oldest Node that the workflow tests is the oldest that package.json allows', () => {
  const oldest = Math.min(...Object.values(jobs).flatMap(({ strategy }) => strategy?.matrix.node ?? []));
  expect(manifest.engines.node).toMatch(new RegExp(`^>=${oldest}\\.`));
});
