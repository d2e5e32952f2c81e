import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseDocument, visit } from 'yaml';

const RULES_DIR = fileURLToPath(new URL('../../deploy/prometheus/rules/', import.meta.url));

const DURATIONS: ReadonlySet<unknown> = new Set(['for', 'keep_firing_for']);

/**
 * Copies the shipped rules into a folder with every `for` and `keep_firing_for` replaced by `duration`, as a test cannot
 * wait for ten minutes. The two stay equal, as in the shipped rules: when one of two exclusive alerts ends, the other
 * begins.
 */
export async function copyRulesShortened(folder: string, duration: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const file of (await readdir(RULES_DIR)).filter((name) => name.endsWith('.yaml'))) {
    const rules = parseDocument(await readFile(`${RULES_DIR}${file}`, 'utf8'));
    visit(rules, {
      Pair: (_key, pair) => {
        if (DURATIONS.has(String(pair.key))) pair.value = rules.createNode(duration);
      },
    });
    await writeFile(`${folder}/${file}`, rules.toString());
  }
}
