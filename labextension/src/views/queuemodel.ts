import type { IOutcome } from './model';

/** A worker of a group, as it is shown. */
export interface IWorkerItem {
  readonly key: string;
  readonly label: string;
  readonly title: string;
  readonly inFlight: number;
  readonly maxInFlight: number;
  readonly away: boolean;
}

/** How many events a group had to do at a time. */
export interface ILagPoint {
  /** Milliseconds since 1970. */
  readonly ts: number;
  readonly lag: number;
}

/** A worker group, as it is shown. */
export interface IGroupItem {
  readonly name: string;
  /** The name or pattern of its events; `*` for all. */
  readonly event: string;
  readonly paused: boolean;
  /** Events that are not settled. */
  readonly lag: number;
  /** Those of them that workers have now, and those that wait for their next try. */
  readonly inFlight: number;
  readonly delayed: number;
  readonly dead: number;
  readonly done: number;
  readonly workers: readonly IWorkerItem[];
  /** The number of workers; `workers` lists at most 100. */
  readonly workerCount: number;
  readonly lastError: string | null;
  /** The lag since the view was opened, oldest first. */
  readonly history: readonly ILagPoint[];
}

/** An event that could not be handled, as it is shown. */
export interface ILetterItem {
  /** Names it in its group. */
  readonly number: number;
  /** The number of the event in the room, as `#12`. */
  readonly label: string;
  readonly event: string;
  /** The data as text; null: there is none. */
  readonly data: string | null;
  readonly reason: string;
  readonly message: string;
  /** The last exception in one line, and as a whole; empty: there was none. */
  readonly error: string;
  readonly traceback: string;
  readonly sender: string;
  readonly worker: string;
  readonly deliveries: number;
  /** Milliseconds since 1970; null: it is not known. */
  readonly last: number | null;
}

/** The dead letters of the group that is open. */
export interface ILetters {
  readonly group: string;
  readonly items: readonly ILetterItem[];
  /** The number of all of them, and of those that were discarded. */
  readonly count: number;
  readonly discarded: number;
}

/** The worker groups of a room, as they are shown. */
export interface IQueueModel {
  /** The name of the room. */
  readonly name: string;
  /** Null until they were read. */
  readonly groups: readonly IGroupItem[] | null;
  /** The dead letters that are open; null: none are. */
  readonly letters: ILetters | null;
  /** Why what is shown may be old, or nothing is; null: it is up to date. */
  readonly problem: string | null;

  refresh(): Promise<IOutcome>;
  pause(group: string): Promise<IOutcome>;
  resume(group: string): Promise<IOutcome>;
  /** Open the dead letters of a group, or close them. */
  open(group: string | null): Promise<IOutcome>;
  /** Give dead letters to workers again, or delete them; `null` for all. */
  redrive(group: string, numbers: readonly number[] | null): Promise<IOutcome>;
  discard(group: string, numbers: readonly number[] | null): Promise<IOutcome>;

  /** Call a function after each change, until the result is called. */
  watch(changed: () => void): () => void;
}

/** What a group is doing. */
export type GroupState = 'paused' | 'working' | 'waiting' | 'idle';

/** Return what a group is doing. `waiting`: it has events, and nobody to handle them. */
export function groupState({ paused, lag, workerCount }: IGroupItem): GroupState {
  if (paused) {
    return 'paused';
  }
  if (lag === 0) {
    return 'idle';
  }
  return workerCount === 0 ? 'waiting' : 'working';
}
