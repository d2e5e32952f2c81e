import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { lineOf, type Page, ROOT, readPages } from './pages.ts';

const MOST_LINES = 180;
const FENCE = /^```[^\n]*\n([\s\S]*?)^```/gm;

const pages = (
  await Promise.all(
    [
      'README.md',
      'CONTRIBUTING.md',
      'SECURITY.md',
      'CHANGELOG.md',
      'deploy/README.md',
      'deploy/prometheus/README.md',
      'docs',
    ].map((path) => readPages(path, '.md')),
  )
).flat();

interface Link {
  readonly target: string;
  readonly line: number;
}

/** Links and images, `[text](target)` and `![text](target)`, outside of code. */
function linksOf({ text }: Page): Link[] {
  const prose = withoutCode(text);
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)].map(({ 1: target = '', index }) => ({
    target,
    line: lineOf(prose, index),
  }));
}

/** With blanks instead of code, so that indices and lines stay. */
function withoutCode(text: string): string {
  const blank = (code: string): string => code.replaceAll(/[^\n]/g, ' ');
  return text.replaceAll(FENCE, blank).replaceAll(/`[^`\n]*`/g, blank);
}

/** The anchors of a page's headings, by GitHub's rule: lower case, without punctuation, blanks as hyphens. */
function anchorsOf(text: string): Set<string> {
  const headings = text.replaceAll(FENCE, '').matchAll(/^#{1,6} (.+)$/gm);
  const anchors = new Set<string>();
  for (const [, heading = ''] of headings) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const base = plain.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-');
    let anchor = base;
    for (let count = 1; anchors.has(anchor); count++) anchor = `${base}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** What is wrong with a link, or undefined. */
async function faultOf(from: string, target: string): Promise<string | undefined> {
  const [path = '', anchor] = target.split('#');
  const file = join(ROOT, path === '' ? from : join(dirname(from), path));
  const kind = await stat(file).catch(() => undefined);
  if (kind === undefined) return `${target}: no such file`;
  if (anchor === undefined) return undefined;
  const anchors = kind.isFile() ? anchorsOf(await readFile(file, 'utf8')) : new Set<string>();
  return anchors.has(anchor) ? undefined : `${target}: no such heading`;
}

describe('anchors', () => {
  test.each([
    ['## libvirt_up is 0', 'libvirt_up-is-0'],
    ['## What `virsh` prints: a (short) list', 'what-virsh-prints-a-short-list'],
    ['### See [docs](docs/a.md)', 'see-docs'],
  ])('of %s', (heading, anchor) => {
    expect([...anchorsOf(heading)]).toEqual([anchor]);
  });

  test('of headings alike are numbered, those in code are none', () => {
    expect([...anchorsOf('# A\n## A\n```\n# B\n```\n')]).toEqual(['a', 'a-1']);
  });
});

test(`the README has at most ${MOST_LINES} lines`, () => {
  const readme = pages.find(({ path }) => path === 'README.md');
  expect(readme?.text.trimEnd().split('\n').length).toBeLessThanOrEqual(MOST_LINES);
});

test.each(pages.map((page) => [page.path, page] as const))(
  'every link of %s leads somewhere',
  async (_, page) => {
    const relative = linksOf(page).filter(({ target }) => !/^[a-z]+:/.test(target));
    const faults = await Promise.all(
      relative.map(async ({ target, line }) => {
        const fault = await faultOf(page.path, target);
        return fault === undefined ? [] : [`${page.path}:${line}: ${fault}`];
      }),
    );
    expect(faults.flat()).toEqual([]);
  },
);

test('every npm script that a page names is there', async () => {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const unknown = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/\bnpm run (?:--?[\w-]+ )*([a-z][\w:-]*)/g)]
      .filter(([, name = '']) => !Object.hasOwn(scripts, name))
      .map(({ 1: name, index }) => `${path}:${lineOf(text, index)}: npm run ${name}`),
  );
  expect(unknown).toEqual([]);
});
