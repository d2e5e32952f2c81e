import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

export interface Page {
  /** Path from the root of the repository. */
  readonly path: string;
  readonly text: string;
}

/** The pages of this name, and those in this folder and below it; none where there is no such file or folder. */
export async function readPages(path: string, extension: string): Promise<Page[]> {
  if (path.endsWith(extension)) {
    const text = await readFile(join(ROOT, path), 'utf8').catch(missing);
    return text === undefined ? [] : [{ path, text }];
  }
  const entries = await readdir(join(ROOT, path), { withFileTypes: true, recursive: true });
  const files = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(extension))
    .map(({ parentPath, name }) => join(parentPath, name));
  return Promise.all(
    files.sort().map(async (file) => ({ path: file.slice(ROOT.length), text: await readFile(file, 'utf8') })),
  );
}

export function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}

function missing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}
