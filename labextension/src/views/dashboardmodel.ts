import type { ILagPoint } from './queuemodel';

/** A room, as the dashboard shows it. */
export interface IDashboardRoom {
  readonly name: string;
  /** Stored events a second since the look before; null: there was none. */
  readonly rate: number | null;
  /** Stored events that are held. */
  readonly count: number;
  readonly bytes: number;
  readonly members: number;
  /** Events that worker groups have to do, and the number of groups. */
  readonly lag: number;
  readonly groups: number;
  /** Dead letters of its groups. */
  readonly dead: number;
  /** The events a second over time. */
  readonly history: readonly ILagPoint[];
  /** Why its groups cannot be shown; null: they can. */
  readonly problem: string | null;
}

/** All rooms that a user may see. */
export interface IDashboardModel {
  /** The address of the hub. */
  readonly name: string;
  /** Null until they were read. */
  readonly rooms: readonly IDashboardRoom[] | null;
  /** The number of rooms that `rooms` leaves out. */
  readonly unlisted: number;
  /** When the hub was asked last, in milliseconds since 1970; null: not yet. */
  readonly asked: number | null;
  /** Why what is shown may be old, or nothing is; null: it is up to date. */
  readonly problem: string | null;

  /** Call a function after each change, until the result is called. */
  watch(changed: () => void): () => void;
}
