import type { IDisposable } from '@lumino/disposable';

/** Milliseconds before the first attempt, on average, and before the later ones at most. */
const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;

/**
 * Repeats an attempt with growing delays.
 *
 * The mean delay doubles each time. Each delay is drawn at random around it, so that the pages of many people do not
 * reconnect at the same moment after a server has restarted.
 */
export class Backoff implements IDisposable {
  constructor(private readonly attempt: () => void) {}

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Plan the next attempt, unless one is planned. */
  schedule(): void {
    if (this._timer !== undefined || this._isDisposed) {
      return;
    }
    const delay = this._delay * (0.5 + Math.random());
    this._nextAt = Date.now() + delay;
    this._delay = Math.min(2 * this._delay, LONGEST_DELAY);
    this._timer = setTimeout(() => {
      this.now();
    }, delay);
  }

  /** The time of the planned attempt, in milliseconds since 1970; null: none is planned. */
  get nextAt(): number | null {
    return this._timer === undefined ? null : this._nextAt;
  }

  /** Attempt now what is planned for later. */
  now(): void {
    if (this._timer !== undefined && !this._isDisposed) {
      clearTimeout(this._timer);
      this._timer = undefined;
      this.attempt();
    }
  }

  /** Cancel the planned attempt, and begin with short delays again. */
  cancel(): void {
    clearTimeout(this._timer);
    this._timer = undefined;
    this.reset();
  }

  /** Begin with short delays again; a planned attempt stays planned. */
  reset(): void {
    this._delay = FIRST_DELAY;
  }

  dispose(): void {
    this._isDisposed = true;
    clearTimeout(this._timer);
  }

  private _delay = FIRST_DELAY;
  private _nextAt = 0;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _isDisposed = false;
}
