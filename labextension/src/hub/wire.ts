/* The values that the hub sends; docs/wire.md is the contract. */

/** The sender of an event, as the server knows it. */
export interface ISender {
  user: string;
  /** Version 0.1.0 called a script `client`. */
  kind: 'browser' | 'kernel' | 'script' | 'agent' | 'client';
  /** The display name; missing in events that version 0.1.0 stored. */
  name?: string;
  member: string;
  /** The path of a kernel's notebook; null or missing where the user may not see it. */
  notebook?: string | null;
}

/** The metadata of an event. */
export interface IMeta {
  room: string;
  /** Position in the log; null for a volatile event. */
  seq: number | null;
  /** Position of the room's previous event; null for a volatile event. */
  prev: number | null;
  /** Its number in the room, dense; null for a volatile event. */
  n: number | null;
  /** Milliseconds since 1970. */
  ts: number;
  from: ISender;
  id?: string;
  replay?: boolean;
  /** The key whose value the event is. */
  key?: string;
  /** True for a value that the room had at the join: it comes before the missed events, and is not one of them. */
  retained?: boolean;
  /** The data as it was sent, which this page notes: with all digits, and its keys in order. */
  json?: string;
}

/** An event of a room. */
export interface IEvent extends IMeta {
  name: string;
  data: unknown;
}

/** A member of a room. */
export interface IMember extends ISender {
  state: 'here' | 'away' | 'left';
}

/** Data of `$presence`. */
export interface IPresence {
  room: string;
  changes: IMember[];
  count: number;
}

/** A room in the reply of `rooms`. */
export interface IRoomSummary {
  room: string;
  head: number;
  first: number;
  count: number;
  bytes: number;
  members: number;
}

/** The reply of `join`. */
export interface IJoined {
  epoch: string;
  opening: string;
  head: number;
  first: number;
  cursor: number;
  /** Number of the last event up to `cursor`; null where it is not known. */
  cursor_n: number | null;
  missed: number | null;
  recovered: boolean;
  user: string;
  reason?: 'trimmed' | 'epoch' | 'limit' | 'rollback';
  members: IMember[];
  count: number;
}

/** The reply of `rooms`: a page of them, by name. */
export interface IRoomPage {
  rooms: IRoomSummary[];
  more: boolean;
  through: string;
}

/** An event on a page of `history`. */
export interface IPageEvent extends Omit<IMeta, 'room'> {
  event: string;
  data: unknown;
}

/** The reply of `history`. */
export interface IHistory {
  events: IPageEvent[];
  more: boolean;
  through: number;
  first: number;
  head: number;
}

/** Data of `$trimmed`: the events with the numbers `first` to `last` are gone, up to the position `through`. */
export interface ITrimmed {
  room: string;
  first: number;
  last: number;
  through: number;
}

/** Data of `$log`. */
export interface ILog {
  warning: string | null;
  epoch: string;
  opening: string;
}

/** The reply of `lag`. */
export interface ILag {
  missed: number;
  bytes: number;
  oldest: number | null;
  by_event: Record<string, number>;
  rest: { names: number; events: number };
  cursor: number;
}

/** The answer to `GET rtmsg/api/status`. */
export interface IStatus {
  version: string;
  epoch: string;
  log: { url: string; durable: boolean; warning: string | null };
  sessions: number;
  rooms: number;
}

/** The reply to a command. */
export type Reply<T> = ({ ok: true } & T) | { ok: false; error: { code: string; message: string } };

/** Codes that the same request would get again. `deleted`: a user deleted the room. */
const FINAL: ReadonlySet<string> = new Set([
  'bad_request',
  'bad_room',
  'deleted',
  'forbidden',
  'unauthorized',
  'unknown_command'
]);

/** A command that the hub refused or did not answer. `code` is one of docs/wire.md, or `offline` or `timeout`. */
export class HubError extends Error {
  constructor(
    readonly code: string,
    message: string
  ) {
    super(message);
    this.name = 'HubError';
  }

  /** Whether the same request would fail again. */
  get isFinal(): boolean {
    return FINAL.has(this.code);
  }
}
