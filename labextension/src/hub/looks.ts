/** Milliseconds between two looks at least, and at most while something is due. */
const SHORTEST = 1_000;
const LONGEST = 16_000;

/** What a look has found. */
export interface IFound {
  /** Whether something is under way, so that another look is due without anybody asking for it. */
  readonly due: boolean;
  /** Whether something is other than at the look before. */
  readonly changed: boolean;
}

/**
 * Looks at what the hub does not announce: soon after it was touched, and while something is due, less and less often
 * while nothing changes. At rest, and while nobody sees what was found, there is no timer.
 *
 * States: at rest (`_timer` and `_isLooking` unset), waiting (`_timer`), looking (`_isLooking`). A touch during a look, or
 * while nobody sees it, is kept in `_isTouched`.
 */
export class Looks {
  constructor(private readonly look: () => Promise<IFound>) {}

  /** Look, at most once a second. */
  touch(): void {
    this._isTouched = true;
    this._pause = SHORTEST;
    if (!this._isLooking && this._isSeen) {
      this.plan(Math.max(0, this._last + SHORTEST - Date.now()));
    }
  }

  /** Look now, and wait for it. */
  async now(): Promise<void> {
    clearTimeout(this._timer);
    await this.run();
  }

  /** Tell whether people see what is found. While they do not, nothing is looked at. */
  set isSeen(isSeen: boolean) {
    if (isSeen === this._isSeen) {
      return;
    }
    this._isSeen = isSeen;
    if (isSeen) {
      this.touch();
    } else {
      clearTimeout(this._timer);
    }
  }

  dispose(): void {
    this._isDisposed = true;
    clearTimeout(this._timer);
  }

  private plan(after: number): void {
    if (!this._isDisposed && this._isSeen) {
      clearTimeout(this._timer);
      this._timer = setTimeout(() => void this.run(), after);
    }
  }

  private async run(): Promise<void> {
    if (this._isLooking || this._isDisposed) {
      this._isTouched = true;
      return;
    }
    this._isLooking = true;
    this._isTouched = false;
    this._last = Date.now();
    const { due, changed } = await this.look();
    this._isLooking = false;
    this._pause = changed ? SHORTEST : Math.min(this._pause * 2, LONGEST);
    if (this.wasTouched()) {
      this.plan(SHORTEST);
    } else if (due) {
      this.plan(this._pause);
    }
  }

  /** A method, since a touch during the look changes the field. */
  private wasTouched(): boolean {
    return this._isTouched;
  }

  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _pause = SHORTEST;
  private _last = 0;
  private _isLooking = false;
  private _isTouched = false;
  private _isSeen = true;
  private _isDisposed = false;
}
