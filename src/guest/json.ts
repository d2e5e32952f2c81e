import { z } from 'zod';
import { GuestReplyError } from './guest-text.ts';

/** A whole reply of the guest agent; every command's answer stands in `return`. */
const envelope = z.object({ return: z.unknown() });

/** Honest replies have a bracket in 60 characters, and short ones a few. */
const CHARACTERS_PER_BRACKET = 16;
const BRACKETS_OF_SHORT = 64;
const BRACKET = 0x5b;
const BRACE = 0x7b;

/**
 * The `return` value of an agent's reply, as `schema` makes it. `text` is the whole reply, `{"return": …}`; one
 * longer than `maxCharacters`, or of little but brackets, is refused before it is parsed. Throws
 * {@link GuestReplyError} for all that is not of the shape.
 */
export function parseReply<T>(command: string, text: string, maxCharacters: number, schema: z.ZodType<T>): T {
  if (text.length > maxCharacters) {
    throw new GuestReplyError(command, `reply has ${text.length} characters, more than ${maxCharacters}`);
  }
  if (hasTooManyBrackets(text)) throw new GuestReplyError(command, 'reply has too many brackets');
  const reply = envelope.safeParse(parseJson(command, text));
  if (!reply.success || reply.data.return === undefined) {
    throw new GuestReplyError(command, 'reply has no return value');
  }
  const value = schema.safeParse(reply.data.return);
  if (value.success) return value.data;
  throw new GuestReplyError(command, `reply is not of the expected shape at ${place(value.error)}`);
}

/** A megabyte of nested arrays keeps JSON.parse, and with it all else, busy for 90 to 180 ms. */
function hasTooManyBrackets(text: string): boolean {
  let left = BRACKETS_OF_SHORT + text.length / CHARACTERS_PER_BRACKET;
  for (let index = 0; index < text.length && left >= 0; index++) {
    const code = text.charCodeAt(index);
    if (code === BRACKET || code === BRACE) left -= 1;
  }
  return left < 0;
}

/**
 * An array of at most `maxLength` items. The length is looked at first: an issue for each of a hundred thousand
 * wrong items would take far more memory than the reply itself.
 */
export function boundedArray<Item extends z.ZodType>(item: Item, maxLength: number) {
  return z
    .custom<readonly unknown[]>((value) => Array.isArray(value) && value.length <= maxLength)
    .pipe(z.array(item));
}

function parseJson(command: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // V8's message quotes the text, so it is not passed on.
    throw new GuestReplyError(command, 'reply is not JSON');
  }
}

/** Where the first thing wrong is, "return[3].user". Made of the schema's keys and of indices only. */
function place(error: z.ZodError): string {
  const path = error.issues[0]?.path ?? [];
  return path.reduce<string>(
    (before, key) => (typeof key === 'number' ? `${before}[${key}]` : `${before}.${String(key)}`),
    'return',
  );
}
