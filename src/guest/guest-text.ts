/** What a guest answered cannot be used. The message is for people and quotes nothing of the guest's text. */
export class GuestReplyError extends Error {
  override readonly name = 'GuestReplyError';
  readonly code = 'ERR_GUEST_REPLY';

  /** `source`: the agent command or the file that was read; `problem`: what is wrong with the answer. */
  constructor(source: string, problem: string) {
    super(`${source}: ${problem}`);
  }
}

/** Long enough for every real PRETTY_NAME, kernel version and common mountpoint. */
export const MAX_GUEST_TEXT_CHARACTERS = 128;

/**
 * Controls (Cc), invisible formatting such as bidirectional overrides, zero-width characters and tags (Cf), lone
 * surrogates (Cs), line and paragraph separators (Zl, Zp): what could break a line of a log or of the exposition,
 * or make one text look like another.
 */
const UNFIT_CHARACTERS = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * Makes a guest's text fit for a label: without control and invisible characters, without space around it, at most
 * 128 characters (code points, so no half of a surrogate pair is left). May be empty.
 */
export function cleanText(text: string): string {
  const clean = text.replace(UNFIT_CHARACTERS, '').trim();
  if (clean.length <= MAX_GUEST_TEXT_CHARACTERS) return clean;
  // Two code units are the longest code point, so this slice holds every code point that is kept.
  const start = [...clean.slice(0, 2 * MAX_GUEST_TEXT_CHARACTERS)];
  return start.slice(0, MAX_GUEST_TEXT_CHARACTERS).join('').trimEnd();
}
