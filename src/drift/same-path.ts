import { posix } from 'node:path';

/** Whether two different paths lead to the same file on the host. */
export type IsSameFile = (a: string, b: string) => boolean;

/** Whether two paths are the same but for `//`, `/./` and `/` at the end. `..` can cross a symbolic link. */
export function isSamePath(a: string, b: string): boolean {
  return a === b || tidy(a) === tidy(b);
}

function tidy(path: string): string {
  if (!path.startsWith('/') || /\/\.\.(?:\/|$)/.test(path)) return path;
  return posix.normalize(path).replace(/(?<=.)\/$/, '');
}
