/** Part of a circle by which successive items are least alike: hung domains are often neighbours in libvirt's list. */
const GOLDEN_RATIO = 0.618;

/**
 * The items in an order that differs with `round` and separates neighbours, so that a row of hung domains does not use up the
 * workers before the others are read.
 */
export function scatter<T>(items: readonly T[], round: number): T[] {
  const count = items.length;
  let stride = Math.max(1, Math.round(GOLDEN_RATIO * count));
  while (greatestCommonDivisor(stride, count) > 1) stride += 1;
  return items.map((_, index) => items[(round + index * stride) % count] as T);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
