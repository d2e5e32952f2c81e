import { execFile } from 'node:child_process';

/** What `promtool check metrics` says of an exposition; an empty string when it has no complaint. */
export function promtoolCheckMetrics(exposition: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile('promtool', ['check', 'metrics'], (error, stdout, stderr) => {
      if (error !== null && 'code' in error && error.code === 'ENOENT') {
        reject(
          new Error(
            'promtool is missing; it is in the Debian package prometheus: apt-get install prometheus',
          ),
        );
        return;
      }
      const failure = error === null ? '' : error.message;
      resolve(`${stdout}${stderr === '' ? failure : stderr}`);
    });
    child.stdin?.on('error', () => undefined); // told by the callback
    child.stdin?.end(exposition);
  });
}
