import { z } from 'zod';
import { GuestReplyError } from './guest-text.ts';

/** A whole reply of the guest agent (QEMU: docs/interop/qmp-spec.rst). */
const envelope = z.object({ return: z.unknown() });

/** Real replies have one bracket in 60 characters; short ones have a few more. */
const CHARACTERS_PER_BRACKET = 16;
const BRACKETS_OF_SHORT = 64;
const BRACKET = 0x5b;
const BRACE = 0x7b;

/**
 * The `return` value of an agent's reply, parsed by `schema`. `text` is the whole reply, `{"return": …}`. A reply
 * that is longer than `maxCharacters`, or consists mostly of brackets, is refused before it is parsed.
 * @throws GuestReplyError for a reply of any other shape
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
  throw new GuestReplyError(command, `reply is not of the expected shape at ${issuePath(value.error)}`);
}

/** JSON.parse takes 90 to 180 ms for a megabyte of nested arrays, and blocks the event loop. */
function hasTooManyBrackets(text: string): boolean {
  let left = BRACKETS_OF_SHORT + text.length / CHARACTERS_PER_BRACKET;
  for (let index = 0; index < text.length && left >= 0; index++) {
    const code = text.charCodeAt(index);
    if (code === BRACKET || code === BRACE) left -= 1;
  }
  return left < 0;
}

/**
 * An array of at most `maxLength` items. The length is checked first: zod's issues for a hundred thousand wrong items
 * would take far more memory than the reply itself.
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
    // Without V8's error as the cause: its message quotes the guest's text.
    throw new GuestReplyError(command, 'reply is not JSON');
  }
}

/** The path of the first wrong value, "return[3].user"; it contains keys of the schema and indices only. */
function issuePath(error: z.ZodError): string {
  const path = error.issues[0]?.path ?? [];
  return path.reduce<string>(
    (before, key) => (typeof key === 'number' ? `${before}[${key}]` : `${before}.${String(key)}`),
    'return',
  );
}
