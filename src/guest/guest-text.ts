/** A guest's reply or file that cannot be used. The message quotes nothing of the guest's text. */
export class GuestReplyError extends Error {
  override readonly name = 'GuestReplyError';
  readonly code = 'ERR_GUEST_REPLY';

  /** `source`: the agent command or the file; `problem`: what is wrong with the content. */
  constructor(source: string, problem: string) {
    super(`${source}: ${problem}`);
  }
}

/** Long enough for every real PRETTY_NAME and kernel version, and for common mount points. */
export const MAX_GUEST_TEXT_CHARACTERS = 128;

/**
 * Characters that could break a line of a log or of the exposition, or make one text look like another: controls
 * (Cc), invisible formatting such as bidirectional overrides, zero-width characters and tags (Cf), lone surrogates
 * (Cs), line and paragraph separators (Zl, Zp).
 */
const UNFIT_CHARACTERS = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * A guest's text as a label value: without control and invisible characters, trimmed, and at most 128 code points
 * long, so that no surrogate pair is split. The result may be empty.
 */
export function cleanText(text: string): string {
  const clean = text.replace(UNFIT_CHARACTERS, '').trim();
  if (clean.length <= MAX_GUEST_TEXT_CHARACTERS) return clean;
  // A code point has at most two code units, so this slice holds every code point that is kept.
  const start = [...clean.slice(0, 2 * MAX_GUEST_TEXT_CHARACTERS)];
  return start.slice(0, MAX_GUEST_TEXT_CHARACTERS).join('').trimEnd();
}
