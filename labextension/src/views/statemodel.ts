/** A value of a room's state, as it is shown. */
export interface IStateItem {
  readonly key: string;
  /** The value as text. */
  readonly value: string;
  /** Who set it. */
  readonly who: string;
  readonly title: string;
  /** Milliseconds since 1970. */
  readonly ts: number;
  readonly seq: number;
}

/** The state of a room, as it is shown. */
export interface IStateModel {
  /** The name of the room. */
  readonly name: string;
  /** By key; null until it was read. */
  readonly items: readonly IStateItem[] | null;
  /** The number of values that `items` leaves out. */
  readonly unlisted: number;
  /** Why what is shown may be old, or nothing is; null: it is up to date. */
  readonly problem: string | null;

  /** Call a function after each change, until the result is called. */
  watch(changed: () => void): () => void;
}
