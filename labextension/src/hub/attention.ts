import { DisposableDelegate, type IDisposable } from '@lumino/disposable';

/** What `Attention` calls, and when. */
export interface IAttentionOptions {
  /** Called when the first holder comes, and when one comes after `rest`. */
  wake: () => void;
  /** Called when there has been no holder for `restAfter`. */
  rest: () => void;
  /** Milliseconds without a holder until `rest` is called; null: `rest` is never called. */
  restAfter: number | null;
}

/**
 * Counts the holders of the connection: views that people see, and rooms that are followed.
 *
 * It is asleep until the first `hold`. Then it is awake while there is a holder and for `restAfter` milliseconds after
 * the last one was disposed; a timer runs only in that time.
 */
export class Attention implements IDisposable {
  constructor(private readonly options: IAttentionOptions) {}

  /** Whether there should be a connection. */
  get isAwake(): boolean {
    return this._isAwake;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Become a holder until the result is disposed. */
  hold(): IDisposable {
    this._holders += 1;
    clearTimeout(this._timer);
    if (!this._isAwake && !this._isDisposed) {
      this._isAwake = true;
      this.options.wake();
    }
    return new DisposableDelegate(() => {
      this.release();
    });
  }

  dispose(): void {
    this._isDisposed = true;
    this._isAwake = false;
    clearTimeout(this._timer);
  }

  private release(): void {
    this._holders -= 1;
    const { restAfter } = this.options;
    if (this._holders === 0 && restAfter !== null && this._isAwake) {
      this._timer = setTimeout(() => {
        this._isAwake = false;
        this.options.rest();
      }, restAfter);
    }
  }

  private _holders = 0;
  private _isAwake = false;
  private _isDisposed = false;
  private _timer: ReturnType<typeof setTimeout> | undefined;
}
