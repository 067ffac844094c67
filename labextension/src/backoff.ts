import type { IDisposable } from '@lumino/disposable';

/** Milliseconds before the first attempt to connect again, and at most. */
const FIRST = 500;
const LONGEST = 30_000;

/** Does something later: twice as late each time, and at random, lest all pages come back in the same moment. */
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
    this._delay = Math.min(2 * this._delay, LONGEST);
    this._timer = window.setTimeout(() => {
      this._timer = undefined;
      this.attempt();
    }, delay);
  }

  /** Attempt nothing more, until the next is planned. */
  cancel(): void {
    window.clearTimeout(this._timer);
    this._timer = undefined;
    this.reset();
  }

  /** Begin with short delays again. */
  reset(): void {
    this._delay = FIRST;
  }

  dispose(): void {
    this._isDisposed = true;
    window.clearTimeout(this._timer);
  }

  private _delay = FIRST;
  private _timer: number | undefined;
  private _isDisposed = false;
}
