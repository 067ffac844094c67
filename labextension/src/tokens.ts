import { Token } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';

import type { IEvent, IMember, IRoomSummary, ISender } from './wire';

/** How the connection to the hub is doing; `idle`: there is none, and nobody needs it. */
export type State = 'idle' | 'connecting' | 'connected' | 'offline' | 'missing' | 'refused';

/** A room that this page has joined. */
export interface IRoom extends IDisposable {
  /** The name of the room. */
  readonly name: string;

  /** What is held of the room: the latest events, oldest first. */
  readonly entries: readonly Entry[];

  /** Who is in the room now; at most 100 of them, see `count`. */
  readonly members: readonly IMember[];

  /** How many are in the room now. */
  readonly count: number;

  /** What to call a member, or the sender of an event, who may have left. */
  nameOf(who: ISender): string;

  /** The two parts of that: the name, and the user in brackets, empty where the name says it all. */
  partsOf(who: ISender): readonly [string, string];

  /** Why the room could not be joined, if it could not. */
  readonly error: string | null;

  /** Emitted when anything above has changed, at most every 50 ms. */
  readonly changed: ISignal<IRoom, void>;

  /**
   * Store an event in the room.
   *
   * @param event - its name
   * @param data - anything that JSON can hold, and bytes; nothing means null
   * @returns its sequence number, once it is on disk
   * @throws HubError when the hub refuses it, or does not answer
   */
  publish(event: string, data?: unknown): Promise<number>;

  /** Leave the room. Disposing does the same. */
  leave(): void;
}

/** One line of a room: an event, or a remark about events that cannot be shown. */
export type Entry = { kind: 'event'; key: number; event: IEvent } | { kind: 'remark'; key: number; text: string };

/** How to join a room. */
export interface IJoinOptions {
  /**
   * Keep the connection up for this room, until it is left; the default. A room that is only shown to people is not
   * followed: under JupyterHub it rests while nobody attends, and catches up afterwards.
   */
  follow?: boolean;
}

/**
 * The hub of the Jupyter server, as seen from this page.
 *
 * The connection is opened when somebody needs it: who attends, or follows a room.
 */
export interface IRtmsg {
  /** How the connection is doing. */
  readonly state: State;

  /** The state told to people: what is wrong and what to do. Empty when connected. */
  readonly advice: string;

  /** What the server warns of, as a log that is not durable. */
  readonly warning: string | null;

  /** The rooms that the user may see, as of the latest `refresh`. */
  readonly rooms: readonly IRoomSummary[];

  /** Emitted when anything above has changed. */
  readonly changed: ISignal<IRtmsg, void>;

  /** Emitted once after each `refresh`, when the rooms are others than it found. */
  readonly outdated: ISignal<IRtmsg, void>;

  /** Ask for the rooms again; does nothing without a connection, which asks by itself when it is up. */
  refresh(): Promise<void>;

  /** Need the connection, as a view does while people see it, until the result is disposed. */
  attend(): IDisposable;

  /** Join a room: its latest events, then live ones, across reconnects. Joining twice gives the same room. */
  join(room: string, options?: IJoinOptions): IRoom;
}

/** What other extensions ask for to use the hub from the browser. */
export const IRtmsg = new Token<IRtmsg>(
  'jupyter-rtmsg:IRtmsg',
  'The real-time hub of the Jupyter server: rooms with a memory. Join a room, follow its events, publish to it.'
);
