import { DisposableDelegate, type IDisposable } from '@lumino/disposable';

/** What is told when somebody needs the connection, and when nobody has for a while. */
export interface IAttentionOptions {
  /** Called when the first one comes, and when somebody comes after `rest`. */
  wake: () => void;
  /** Called when nobody has been there for `patience`. */
  rest: () => void;
  /** Milliseconds; null: never rest. */
  patience: number | null;
}

/**
 * Counts who needs the connection.
 *
 * It sleeps until the first one comes. Once awake, it stays so while anybody holds it, and `patience` longer; one timer
 * runs only in between.
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

  /** Need the connection until the result is disposed. */
  hold(): IDisposable {
    this._holders += 1;
    window.clearTimeout(this._timer);
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
    window.clearTimeout(this._timer);
  }

  private release(): void {
    this._holders -= 1;
    const { patience } = this.options;
    if (this._holders === 0 && patience !== null && this._isAwake) {
      this._timer = window.setTimeout(() => {
        this._isAwake = false;
        this.options.rest();
      }, patience);
    }
  }

  private _holders = 0;
  private _isAwake = false;
  private _isDisposed = false;
  private _timer: number | undefined;
}
