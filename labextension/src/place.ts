import type { IJoined, ILog, IMeta, ITrimmed } from './wire';

/** Where a reader of a room has come to, in which log; it finds out by the numbers of events what is gone. */
export class Place {
  /** @param gone - Called with how many events are gone before the one that is taken next; null: nobody knows. */
  constructor(private readonly gone: (count: number | null) => void) {}

  /** Whether there is one. */
  get isKnown(): boolean {
    return this._epoch !== null;
  }

  /** The fields of a request that goes on here. */
  get fields(): object {
    return { after: this._cursor, epoch: this._epoch, opening: this._opening, n: this._n };
  }

  /** Begin, or go on, where a join says. */
  joined(reply: IJoined): void {
    const elsewhere = reply.epoch !== this._epoch;
    if (elsewhere) {
      this._n = reply.cursor_n ?? null;
    }
    this._cursor = elsewhere && this.isKnown ? reply.cursor : Math.max(this._cursor, reply.cursor);
    if (this.isKnown && this._n === null && reply.reason === 'trimmed') {
      this.gone(null);
    }
    this._epoch = reply.epoch;
    this._opening = reply.opening;
  }

  /** The log goes on in another opening: later positions are of that one. */
  opened({ epoch, opening }: ILog): void {
    if (epoch === this._epoch) {
      this._opening = opening;
    }
  }

  forget(): void {
    this._epoch = null;
    this._cursor = 0;
    this._n = null;
    this._repairedAt = null;
  }

  /** Whether an event is here already. */
  has(meta: IMeta): boolean {
    return meta.seq !== null && meta.seq <= this._cursor;
  }

  /**
   * Whether the event before this one is missing. Joining again here brings both; once per position, since what is
   * missing may have been trimmed.
   */
  lacksBefore(meta: IMeta): boolean {
    if (meta.replay || meta.prev === null || meta.prev <= this._cursor || this._repairedAt === this._cursor) {
      return false;
    }
    this._repairedAt = this._cursor;
    return true;
  }

  /** Go on behind an event. */
  take(name: string, meta: IMeta): void {
    if (meta.seq === null) {
      return;
    }
    this._cursor = meta.seq;
    const known = this._n;
    // The number of a damaged event may be damaged as well: that of the next one tells what is gone.
    const n = name === '$corrupt' ? known && known + 1 : (meta.n ?? null);
    if (known !== null && n !== null && n > known + 1) {
      this.gone(n - known - 1);
    }
    this._n = n;
  }

  /** Go on behind events that are gone. */
  trimmed({ first, last, through }: ITrimmed): void {
    const known = this._n;
    if (through > this._cursor && known !== null && first - 1 <= known && known < last) {
      this.gone(last - known);
      this._cursor = through;
      this._n = last;
    }
  }

  private _epoch: string | null = null;
  private _opening: string | null = null;
  private _cursor = 0;
  private _n: number | null = null;
  private _repairedAt: number | null = null;
}
