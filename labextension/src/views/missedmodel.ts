import type { IOutcome } from './model';

/** The events that were missed before the room was joined. */
export interface IMissedBlock {
  readonly count: number;
  /** The times of the first and the last one, in milliseconds since 1970; null: they are not known. */
  readonly from: number | null;
  readonly to: number | null;
  /** The most frequent names with their numbers, and the number of events with other names. */
  readonly byEvent: readonly (readonly [string, number])[];
  readonly others: number;
}

/** How far a replay is. */
export interface IReplayProgress {
  readonly state: 'running' | 'paused' | 'done' | 'stopped' | 'failed';
  readonly done: number;
  /** Null: it is not known. */
  readonly total: number | null;
  /** Why it failed; null: it did not. */
  readonly problem: string | null;
}

/** The missed events of a room, and what may be done with them. Looking at them moves nothing. */
export interface IMissedModel {
  /** The name of the room. */
  readonly name: string;
  /** Null: none were missed, or they were skipped. */
  readonly missed: IMissedBlock | null;
  /** Null: nothing was replayed yet. */
  readonly replay: IReplayProgress | null;
  /** How many events were skipped and can be put back; 0: none. */
  readonly skipped: number;
  /** Why nothing can be done now; null: it can. */
  readonly problem: string | null;
  /** Why nothing can be skipped, such as a reader without a subscription; null: it can. */
  readonly noSkip: string | null;

  /** Hand the events to the handlers again, at a multiple of the original pace; 0 for at once. */
  play(speed: number): Promise<IOutcome>;
  pause(): Promise<IOutcome>;
  resume(): Promise<IOutcome>;
  stop(): Promise<IOutcome>;
  /** Count the events as handled, and put the cursor back. */
  skip(): Promise<IOutcome>;
  undo(): Promise<IOutcome>;

  /** Call a function after each change, until the result is called. */
  watch(changed: () => void): () => void;
}
