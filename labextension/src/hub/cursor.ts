import type { IJoined, ILog, IMeta, ITrimmed } from './wire';

/**
 * The position of a reader in a room: the last event it has, and the log in which that is.
 *
 * It has no position until the first `joined`, and none after `forget`. Then `take` and `trimmed` move it on. `seq` is
 * the event's position in the log, `n` its number in the room. Numbers are dense, so a jump in them tells how many
 * events are gone; positions are not, so a later event names the position of the room's event before it (`prev`).
 */
export class Cursor {
  /** @param gone - Called with the number of events that are gone before the next one; null: the number is unknown. */
  constructor(private readonly gone: (count: number | null) => void) {}

  /** Whether it has a position. */
  get isKnown(): boolean {
    return this._epoch !== null;
  }

  /** The fields of a request that goes on at this position. */
  get fields(): object {
    return { after: this._seq, epoch: this._epoch, opening: this._opening, n: this._n };
  }

  /** Take the position from the reply of a join: the first one, or the one in a log that has moved. */
  joined(reply: IJoined): void {
    const elsewhere = reply.epoch !== this._epoch;
    if (elsewhere) {
      this._n = reply.cursor_n ?? null;
    }
    this._seq = elsewhere && this.isKnown ? reply.cursor : Math.max(this._seq, reply.cursor);
    if (this.isKnown && this._n === null && reply.reason === 'trimmed') {
      this.gone(null);
    }
    this._epoch = reply.epoch;
    this._opening = reply.opening;
  }

  /** The log goes on in another opening of its file: later positions belong to that one. */
  opened({ epoch, opening }: ILog): void {
    if (epoch === this._epoch) {
      this._opening = opening;
    }
  }

  /** Give the position up: the next join begins anew. */
  forget(): void {
    this._epoch = null;
    this._seq = 0;
    this._n = null;
    this._repairedAt = null;
  }

  /** Whether the reader has an event already. */
  has(meta: IMeta): boolean {
    return meta.seq !== null && meta.seq <= this._seq;
  }

  /**
   * Whether the event before this one is missing. To join again at this position brings both.
   *
   * True once per position only: the missing event may have been trimmed, and joining again would not bring it.
   */
  lacksBefore(meta: IMeta): boolean {
    if (meta.replay || meta.prev === null || meta.prev <= this._seq || this._repairedAt === this._seq) {
      return false;
    }
    this._repairedAt = this._seq;
    return true;
  }

  /** Move behind an event. */
  take(name: string, meta: IMeta): void {
    if (meta.seq === null) {
      return;
    }
    this._seq = meta.seq;
    const known = this._n;
    // The number of a damaged event may be damaged, too: the number of the next event tells what is gone.
    const n = name === '$corrupt' ? known && known + 1 : (meta.n ?? null);
    if (known !== null && n !== null && n > known + 1) {
      this.gone(n - known - 1);
    }
    this._n = n;
  }

  /** Move behind events that were trimmed. */
  trimmed({ first, last, through }: ITrimmed): void {
    const known = this._n;
    if (through > this._seq && known !== null && first - 1 <= known && known < last) {
      this.gone(last - known);
      this._seq = through;
      this._n = last;
    }
  }

  private _epoch: string | null = null;
  private _opening: string | null = null;
  private _seq = 0;
  private _n: number | null = null;
  private _repairedAt: number | null = null;
}
