/** Longer values (stacks, messages that contain an XML document) are cut, so that one event stays one readable line. */
const MAX_VALUE_CHARACTERS = 2_048;

/** Rewrites one of pino's JSON lines as logfmt; nested objects become dotted keys. */
export function jsonLineToLogfmt(line: string): string {
  return `${flatten('', JSON.parse(line)).join(' ')}\n`;
}

function flatten(prefix: string, value: unknown): string[] {
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) =>
      flatten(prefix === '' ? cleanKey(key) : `${prefix}.${cleanKey(key)}`, inner),
    );
  }
  return [`${prefix}=${formatValue(String(value))}`];
}

function cleanKey(key: string): string {
  return key.replace(/[\s="]/g, '_');
}

function formatValue(text: string): string {
  const bounded = text.slice(0, MAX_VALUE_CHARACTERS);
  return /^[\w.:/+@-]+$/.test(bounded) ? bounded : JSON.stringify(bounded);
}
