/** A member of the room, as it is shown. */
export interface IMemberItem {
  readonly key: string;
  readonly label: string;
  readonly title: string;
  readonly state: string;
}

/** The data of an event, with all that was sent. */
export interface IPayload {
  /** The JSON as it was sent; bytes in it are placeholders. */
  readonly json: string;
  /** The same as a value, in which the bytes are. Its numbers may have lost digits. */
  readonly value: unknown;
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
  /** The data as text on one line, which may be cut; null: there is none. */
  readonly data: string | null;
  /** The data with all that was sent; null or missing: this page has the text only. */
  readonly payload?: IPayload | null;
  /** Milliseconds since 1970. */
  readonly ts: number;
  /** The position in the log; null for a volatile event. */
  readonly seq: number | null;
  /** Its number in the room, which people see as `#n`; null or missing: it has none. */
  readonly number?: number | null;
  /** Whether it is one of those that were missed. */
  readonly missed?: boolean;
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

/** Events before the first row. */
export interface IEarlier {
  /** Whether there are some that can be loaded. */
  readonly more: boolean;
  /** Load a page of them. Rejects with a text for people. */
  load(): Promise<void>;
}

/** What is in the fields of the form. */
export interface IDraft {
  readonly event: string;
  readonly data: string;
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
  /** The latest events and remarks, oldest first. Their keys increase. */
  readonly rows: readonly Row[];
  /** Events before them; missing: none can be loaded. */
  readonly earlier?: IEarlier;
  readonly form: IFormSettings;
  readonly canEmit: boolean;
  /** The most bytes that the data of an event may have, as JSON; missing: it is not known. */
  readonly maxBytes?: number;
  /** Why nothing can be emitted now; null: it can. Missing: it is not known. */
  readonly emitProblem?: string | null;
  /** The fields of the form as they were left; missing: the form begins anew. */
  readonly draft?: IDraft;

  /** Emit an event; `json` is its data as JSON, empty for none. */
  emit(event: string, json: string): Promise<IOutcome>;

  /** Keep what is in the fields of the form; missing: it is lost with the view. */
  keepDraft?(draft: IDraft): void;

  /** Call a function after each change, until the result is called. */
  watch(changed: () => void): () => void;
}
