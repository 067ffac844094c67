/** A member of the room, as it is shown. */
export interface IMemberItem {
  readonly key: string;
  readonly label: string;
  readonly title: string;
  readonly state: string;
}

/** An event, as it is shown. All of it is text: it comes from whoever may write to the room. */
export interface IEventRow {
  readonly kind: 'event';
  readonly key: number;
  readonly name: string;
  /** The sender's name; it may be cut where it is long. */
  readonly sender: string;
  /** The sender's user in brackets, which is not cut: a chosen name must not hide who it is. */
  readonly user: string;
  readonly title: string;
  /** The data as text; null: there is none. */
  readonly data: string | null;
  /** Milliseconds since 1970. */
  readonly ts: number;
  /** The position in the log; null for a volatile event. */
  readonly seq: number | null;
  /** Whether it was read back from the log. */
  readonly replay: boolean;
}

/** A remark about events that cannot be shown, in their place. */
export interface IRemarkRow {
  readonly kind: 'remark';
  readonly key: number;
  readonly text: string;
}

export type Row = IEventRow | IRemarkRow;

/** The state of a connection, in one word, and in words for people. */
export interface IStatus {
  readonly state: string;
  readonly text: string;
}

/** What came of an emit, in words. */
export interface IOutcome {
  readonly ok: boolean;
  readonly text: string;
}

/** How the form begins, and what it says. */
export interface IFormSettings {
  /** The name of the event at first. */
  readonly event: string;
  /** The lines of the data field. In a field of one line Enter emits, in a higher one Ctrl+Enter. */
  readonly lines: number;
  /** What is said where an emit takes long; null: nothing. */
  readonly slow: string | null;
}

/**
 * A room, as it is shown. The panel makes one from the hub's room, a widget from the model that it shares with its kernel.
 *
 * A row and a member that have not changed are the same objects as before: views compare them by identity.
 */
export interface IRoomModel {
  readonly name: string;
  /** Why the room cannot be shown; null: it can. */
  readonly error: string | null;
  /** The state of the connection; null where the page shows it elsewhere. */
  readonly status: IStatus | null;
  /** The number of events that were missed before the room was joined. */
  readonly missed: number;
  readonly members: readonly IMemberItem[];
  /** The number of further members, which `members` does not list. */
  readonly unlisted: number;
  /** The latest events and remarks, oldest first. */
  readonly rows: readonly Row[];
  readonly form: IFormSettings;
  readonly canEmit: boolean;

  /** Emit an event; `json` is its data as JSON, empty for none. */
  emit(event: string, json: string): Promise<IOutcome>;

  /** Call a function after each change, until the result is called. */
  watch(changed: () => void): () => void;
}
