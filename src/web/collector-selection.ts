/** The request names a collector that does not exist or is not enabled, or combines both parameters. */
export class SelectionError extends Error {
  override readonly name = 'SelectionError';
  readonly code = 'ERR_COLLECTOR_SELECTION';
}

/**
 * Reads `?collect[]=NAME` and `?exclude[]=NAME`, either of which may repeat.
 * @throws SelectionError
 */
export function selectCollectors(
  query: URLSearchParams,
  enabled: readonly string[],
): (collector: string) => boolean {
  const collect = query.getAll('collect[]');
  const exclude = query.getAll('exclude[]');
  if (collect.length > 0 && exclude.length > 0) {
    throw new SelectionError('collect[] and exclude[] cannot be combined');
  }
  const unknown = [...collect, ...exclude].find((name) => !enabled.includes(name));
  if (unknown !== undefined) {
    throw new SelectionError(`no enabled collector is named ${JSON.stringify(unknown.slice(0, 64))}`);
  }
  if (collect.length > 0) return (name) => collect.includes(name);
  return (name) => !exclude.includes(name);
}
