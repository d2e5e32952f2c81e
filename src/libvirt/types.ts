import { type Integer64, XdrError, type XdrReader, type XdrWriter } from './xdr.ts';

/** Composite types shared by several messages (libvirt: src/remote/remote_protocol.x). */

/** REMOTE_STRING_MAX. */
const MAX_STRING_BYTES = 4 * 1024 * 1024;
/** REMOTE_DOMAIN_LIST_MAX. */
export const MAX_DOMAINS = 16_384;
/** REMOTE_CONNECT_GET_ALL_DOMAIN_STATS_MAX. */
export const MAX_STATS_PARAMS = 262_144;
/** VIR_TYPED_PARAM_FIELD_LENGTH, without the terminating zero. */
const MAX_FIELD_BYTES = 4096;

const UUID_BYTES = 16;

/** How libvirt names a domain on the wire. */
export interface DomainRef {
  readonly name: string;
  /** Canonical form, 8-4-4-4-12 lower-case hexadecimal. */
  readonly uuid: string;
  /** Number of this run of the domain, -1 when it is not running. */
  readonly id: number;
}

export type TypedValue = Integer64 | string | boolean;

export function readString(reader: XdrReader): string {
  return reader.string(MAX_STRING_BYTES);
}

export function readDomain(reader: XdrReader): DomainRef {
  const name = readString(reader);
  const uuid = formatUuid(reader.fixedOpaque(UUID_BYTES));
  return { name, uuid, id: reader.int() };
}

export function writeDomain(out: XdrWriter, domain: DomainRef): void {
  out.string(domain.name).fixedOpaque(parseUuid(domain.uuid)).int(domain.id);
}

/** How libvirt names a storage pool on the wire. */
export interface StoragePoolRef {
  readonly name: string;
  /** As in {@link DomainRef}. */
  readonly uuid: string;
}

export function readPool(reader: XdrReader): StoragePoolRef {
  return { name: readString(reader), uuid: formatUuid(reader.fixedOpaque(UUID_BYTES)) };
}

export function writePool(out: XdrWriter, pool: StoragePoolRef): void {
  out.string(pool.name).fixedOpaque(parseUuid(pool.uuid));
}

export type TypedParam = readonly [field: string, value: TypedValue];

/** virTypedParameter; the type numbers are those of virTypedParameterType. */
export function readTypedParam(reader: XdrReader): TypedParam {
  const field = reader.string(MAX_FIELD_BYTES);
  const type = reader.int();
  switch (type) {
    case 1:
      return [field, reader.int()];
    case 2:
      return [field, reader.uint()];
    case 3:
      return [field, reader.hyper()];
    case 4:
      return [field, reader.uhyper()];
    case 5:
      return [field, reader.double()];
    case 6:
      return [field, reader.bool()];
    case 7:
      return [field, readString(reader)];
    default:
      throw new XdrError(`typed parameter of unknown type ${type}`);
  }
}

/** A list of typed parameters by name; of two of one name the last. */
export function readTypedParams(reader: XdrReader, max: number): ReadonlyMap<string, TypedValue> {
  const params = new Map<string, TypedValue>();
  reader.array(max, () => {
    const [field, value] = readTypedParam(reader);
    params.set(field, value);
  });
  return params;
}

/** What remote_error carries that a client can use. */
export interface WireError {
  readonly number: number;
  readonly domain: number;
  readonly message: string | undefined;
}

/** The rest of remote_error (level, strings, numbers, network) repeats the message in parts. */
export function readError(reader: XdrReader): WireError {
  const number = reader.int();
  const domain = reader.int();
  return { number, domain, message: reader.optional(() => readString(reader)) };
}

function formatUuid(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function parseUuid(uuid: string): Buffer {
  const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex');
  if (bytes.length !== UUID_BYTES) throw new XdrError(`not a UUID: ${JSON.stringify(uuid)}`);
  return bytes;
}
