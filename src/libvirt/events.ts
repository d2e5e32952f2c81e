import { type DomainRef, readDomain, readString, readTypedParam } from './types.ts';
import type { XdrReader } from './xdr.ts';

/** Domain events that the exporter subscribes to. Numbers: libvirt's include/libvirt/libvirt-domain.h. */
export type DomainEvent =
  | {
      readonly kind: 'lifecycle';
      readonly domain: DomainRef;
      readonly event: number;
      readonly detail: number;
    }
  | { readonly kind: 'reboot'; readonly domain: DomainRef }
  | { readonly kind: 'device'; readonly domain: DomainRef }
  | { readonly kind: 'tunable'; readonly domain: DomainRef }
  /** A medium or an image of a disk changed, or a block job ended or became ready to end. */
  | { readonly kind: 'disk'; readonly domain: DomainRef }
  | { readonly kind: 'metadata'; readonly domain: DomainRef }
  | { readonly kind: 'agent'; readonly domain: DomainRef }
  /** A request to a disk failed. `reason` is `enospc` or empty; newer releases may have other texts. */
  | {
      readonly kind: 'io-error';
      readonly domain: DomainRef;
      /** The disk's `<alias>`. */
      readonly alias: string;
      /** QEMU paused the domain for it. */
      readonly paused: boolean;
      readonly reason: string;
    }
  /** The guest wrote beyond the threshold that a client set. `device` is `vda` for a disk, `vda[1]` for one of its images. */
  | { readonly kind: 'block-threshold'; readonly domain: DomainRef; readonly device: string };

/** virDomainEventType. */
export const Lifecycle = {
  defined: 0,
  undefined: 1,
  started: 2,
  suspended: 3,
  resumed: 4,
  stopped: 5,
  shutdown: 6,
  pmSuspended: 7,
  crashed: 8,
} as const;

/** Details of lifecycle events that the exporter distinguishes (virDomainEvent…DetailType). */
export const LifecycleDetail = {
  startedMigrated: 1,
  stoppedCrashed: 2,
  stoppedMigrated: 3,
  stoppedFailed: 5,
  crashedPanicked: 0,
} as const;

/** virDomainEventIOErrorAction: QEMU paused the domain. */
const IO_ERROR_PAUSE = 1;
/** REMOTE_DOMAIN_EVENT_TUNABLE_MAX. */
const MAX_TUNABLES = 2048;

interface EventKind {
  /** virDomainEventID, the argument of a subscription. */
  readonly eventId: number;
  /** Procedure number of the event messages. */
  readonly procedure: number;
  readonly decode: (message: XdrReader) => DomainEvent;
}

function deviceEvent(message: XdrReader): DomainEvent {
  const domain = readDomain(message);
  readString(message); // device alias
  return { kind: 'device', domain };
}

/** The subscribed kinds: events that change a domain's configuration, and events that are counted. */
export const EVENT_KINDS: readonly EventKind[] = [
  {
    eventId: 0,
    procedure: 318,
    decode: (message) => ({
      kind: 'lifecycle',
      domain: readDomain(message),
      event: message.int(),
      detail: message.int(),
    }),
  },
  {
    // IO_ERROR_REASON; libvirt sends IO_ERROR for the same failures, without the reason.
    eventId: 6,
    procedure: 324,
    decode: (message) => {
      const domain = readDomain(message);
      readString(message); // path of the image
      const alias = readString(message);
      const paused = message.int() === IO_ERROR_PAUSE;
      return { kind: 'io-error', domain, alias, paused, reason: readString(message) };
    },
  },
  {
    eventId: 24,
    procedure: 385,
    decode: (message) => {
      const domain = readDomain(message);
      const device = readString(message);
      message.optional(() => readString(message)); // path of the image
      message.uhyper(); // threshold
      message.uhyper(); // how far the write went beyond it
      return { kind: 'block-threshold', domain, device };
    },
  },
  { eventId: 1, procedure: 319, decode: (message) => ({ kind: 'reboot', domain: readDomain(message) }) },
  { eventId: 15, procedure: 333, decode: deviceEvent },
  { eventId: 19, procedure: 354, decode: deviceEvent },
  {
    // A disk was changed or left out at start, by its startupPolicy.
    eventId: 9,
    procedure: 327,
    decode: (message) => {
      const domain = readDomain(message);
      message.optional(() => readString(message)); // path before
      message.optional(() => readString(message)); // path now
      readString(message); // device alias
      message.int(); // reason
      return { kind: 'disk', domain };
    },
  },
  {
    eventId: 10,
    procedure: 328,
    decode: (message) => {
      const domain = readDomain(message);
      readString(message); // device alias
      message.int(); // the tray was opened or closed
      return { kind: 'disk', domain };
    },
  },
  {
    eventId: 16,
    procedure: 339,
    decode: (message) => {
      const domain = readDomain(message);
      readString(message); // target of the disk
      message.int(); // virDomainBlockJobType
      message.int(); // virConnectDomainEventBlockJobStatus; a started job has no event
      return { kind: 'disk', domain };
    },
  },
  {
    eventId: 26,
    procedure: 438,
    decode: (message) => {
      const domain = readDomain(message);
      readString(message); // alias of the memory device
      message.uhyper(); // its size
      return { kind: 'device', domain };
    },
  },
  {
    // Limits of disks and processors, changed while the domain runs.
    eventId: 17,
    procedure: 346,
    decode: (message) => {
      const domain = readDomain(message);
      message.array(MAX_TUNABLES, () => readTypedParam(message));
      return { kind: 'tunable', domain };
    },
  },
  {
    eventId: 18,
    procedure: 348,
    decode: (message) => {
      const domain = readDomain(message);
      message.int(); // connected or disconnected, which the domain's XML has as well
      message.int(); // reason
      return { kind: 'agent', domain };
    },
  },
  {
    eventId: 23,
    procedure: 379,
    decode: (message) => {
      const domain = readDomain(message);
      message.int(); // virDomainMetadataType
      message.optional(() => readString(message)); // namespace URI
      return { kind: 'metadata', domain };
    },
  },
];

/** Decodes an event's payload, which starts with the callback id; undefined for a kind not subscribed to. */
export function decodeEvent(procedure: number, message: XdrReader): DomainEvent | undefined {
  const kind = EVENT_KINDS.find((candidate) => candidate.procedure === procedure);
  if (kind === undefined) return undefined;
  message.int(); // callback id
  const event = kind.decode(message);
  message.end();
  return event;
}
