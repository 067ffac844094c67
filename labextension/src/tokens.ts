import { Token } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';

import type { IEvent, IMember, IRoomSummary, ISender } from './hub/wire';

/**
 * The state of the connection to the hub. `idle`: there is none, since nothing needs it. `missing`: the server has no hub.
 * `refused`: the server, or the hub, does not accept this user. `offline`: it was lost or failed, and is tried again.
 */
export type State = 'idle' | 'connecting' | 'connected' | 'offline' | 'missing' | 'refused';

/** A room that this page has joined. */
export interface IRoom extends IDisposable {
  /** The name of the room. */
  readonly name: string;

  /** The latest events and remarks, oldest first; at most 10,000. */
  readonly entries: readonly Entry[];

  /** Whether events before `entries` can be loaded. */
  readonly hasEarlier: boolean;

  /**
   * Load a page of events before `entries`.
   *
   * @throws HubError when the hub refuses it, or does not answer
   */
  loadEarlier(): Promise<void>;

  /** The members that are in the room now, at most 100 of them; `count` has their number. */
  readonly members: readonly IMember[];

  /** The number of members that are in the room now. */
  readonly count: number;

  /** The display name of a member, or of the sender of an event, who may have left. */
  nameOf(who: ISender): string;

  /** The two parts of the display name: the name, and the user in brackets; the user is empty where the name tells it. */
  partsOf(who: ISender): readonly [string, string];

  /** A number that grows whenever a display name may have changed. */
  readonly namesVersion: number;

  /** Why the room could not be joined; null: it could, or was not tried yet. */
  readonly error: string | null;

  /** Emitted when a property above has changed, at most every 50 ms. */
  readonly changed: ISignal<IRoom, void>;

  /**
   * Store an event in the room.
   *
   * @param event - the event's name
   * @param data - a JSON value, which may hold bytes; none means null
   * @returns the event's position in the log, once the event is on disk
   * @throws HubError when the hub refuses it, or does not answer
   */
  publish(event: string, data?: unknown): Promise<number>;

  /**
   * Store an event whose data is given as JSON, with all its digits; an empty text means null.
   *
   * @returns the event's position in the log, once the event is on disk
   * @throws HubError when the hub refuses it, or does not answer
   */
  publishJson(event: string, json: string): Promise<number>;

  /** Leave the room. Disposing does the same. */
  leave(): void;
}

/** One line of a room: an event, or a remark about events that cannot be shown. */
export type Entry = { kind: 'event'; key: number; event: IEvent } | { kind: 'remark'; key: number; text: string };

/** How to join a room. */
export interface IJoinOptions {
  /**
   * Keep the connection up until the room is left. True by default. A room that is only shown to people is not followed:
   * under JupyterHub its connection rests while nobody sees it, and the room catches up afterwards.
   */
  follow?: boolean;
}

/**
 * The hub of the Jupyter server, as seen from this page.
 *
 * The connection is opened at the first `attend`, or when the first room is followed.
 */
export interface IRtmsg {
  /** The state of the connection. */
  readonly state: State;

  /** What is wrong and what to do, in words; empty when connected. */
  readonly advice: string;

  /** The time of the next attempt to connect, in milliseconds since 1970; null: none is planned. */
  readonly retryAt: number | null;

  /** Try at once to connect, where the next attempt is planned for later. */
  retryNow(): void;

  /** The server's warning about its log, such as one that is not durable; null: there is none. */
  readonly warning: string | null;

  /** The rooms that the user may see, as of the latest `refresh`. */
  readonly rooms: readonly IRoomSummary[];

  /** Emitted when a property above has changed. */
  readonly changed: ISignal<IRtmsg, void>;

  /** Emitted when the rooms are no longer those of the latest `refresh`; once until the next one. */
  readonly outdated: ISignal<IRtmsg, void>;

  /** Ask the hub for the rooms. Without a connection this does nothing: each connect asks for them. */
  refresh(): Promise<void>;

  /** Hold the connection open until the result is disposed. A view does this while people see it. */
  attend(): IDisposable;

  /**
   * Send a command to the hub, as docs/wire.md describes them, and return its reply.
   *
   * @throws HubError when the hub refuses it, does not answer, or there is no connection
   */
  request<T>(command: string, body: object): Promise<T>;

  /** Join a room: its latest events, then live ones, also after a reconnect. Joining again returns the same room. */
  join(room: string, options?: IJoinOptions): IRoom;
}

/** The token by which other extensions get the hub. */
export const IRtmsg = new Token<IRtmsg>(
  'jupyter-rtmsg:IRtmsg',
  'The real-time hub of the Jupyter server: rooms with a memory. Join a room, follow its events, publish to it.'
);

/** The rooms that people have joined in the panel, as other plugins see them. */
export interface IMessages {
  /** The number of events that came while nobody looked. */
  readonly unseen: number;

  /** Emitted when rooms were joined or left, another is shown, or `unseen` has changed. */
  readonly changed: ISignal<IMessages, void>;

  /** Whether people see a room now. */
  isLookedAt(name: string): boolean;

  /** Join a room, unless it is joined, and show it; null: show none. */
  show(name: string | null): void;
}

/** The token of the panel's rooms. */
export const IMessages = new Token<IMessages>(
  'jupyter-rtmsg:IMessages',
  'The rooms that people have joined in the panel of messages, and how much of them is new.'
);
