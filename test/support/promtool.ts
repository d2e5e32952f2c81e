import { execFile } from 'node:child_process';

export interface PromtoolResult {
  readonly ok: boolean;
  /** What it printed, stdout first; the failure itself when it printed nothing on stderr. */
  readonly output: string;
}

/** Runs promtool with these arguments. */
export function promtool(args: readonly string[], input = ''): Promise<PromtoolResult> {
  return new Promise((resolve, reject) => {
    const child = execFile('promtool', [...args], (error, stdout, stderr) => {
      if (error !== null && 'code' in error && error.code === 'ENOENT') {
        reject(
          new Error(
            'promtool is missing; it is in the Debian package prometheus: apt-get install prometheus',
          ),
        );
        return;
      }
      const failure = error === null ? '' : error.message;
      resolve({ ok: error === null, output: `${stdout}${stderr === '' ? failure : stderr}` });
    });
    child.stdin?.on('error', () => undefined); // told by the callback
    child.stdin?.end(input);
  });
}

/** What `promtool check metrics` says of an exposition; an empty string when it has no complaint. */
export async function promtoolCheckMetrics(exposition: string): Promise<string> {
  return (await promtool(['check', 'metrics'], exposition)).output;
}
