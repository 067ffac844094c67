import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';
import type { Widget } from '@lumino/widgets';

import type { IRtmsg } from '../tokens';

/**
 * Holds the connection to the hub while people see a widget: `_attending` is set exactly then.
 *
 * The widget calls `update` whenever it was attached, shown or hidden.
 */
export class Attendance implements IDisposable {
  constructor(
    private readonly widget: Widget,
    private readonly hub: IRtmsg
  ) {
    document.addEventListener('visibilitychange', this.update);
  }

  /** Whether people see the widget. */
  get isSeen(): boolean {
    return this._attending !== null;
  }

  /** Emitted after each `update`. */
  get updated(): ISignal<this, void> {
    return this._updated;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    document.removeEventListener('visibilitychange', this.update);
    this._attending?.dispose();
    this._attending = null;
    Signal.clearData(this);
  }

  readonly update = (): void => {
    if (this.widget.isVisible && !document.hidden) {
      this._attending ??= this.hub.attend();
    } else {
      this._attending?.dispose();
      this._attending = null;
    }
    this._updated.emit();
  };

  private _attending: IDisposable | null = null;
  private _isDisposed = false;
  private readonly _updated = new Signal<this, void>(this);
}
