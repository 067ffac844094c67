import type { ILag, ISeek, ISubscription } from '../hub/groupwire';
import { escapeHidden } from '../hub/invisible';
import type { ITranslation } from '../hub/translation';
import type { IRtmsg } from '../tokens';
import { UNDO_FOR } from '../views/missedblock';
import type { IMissedBlock, IMissedModel } from '../views/missedmodel';
import type { IOutcome } from '../views/model';
import { pythonText } from '../views/pythonvalue';

/** The most frequent names that are shown. */
const MAX_NAMES = 10;

/** What a model needs of the page: puts lines of Python where they can be run. */
export type PutLines = (lines: string) => Promise<IOutcome>;

/**
 * What one reader, a subscription of the user, has missed in a room.
 *
 * It is told what the hub says of it (`tell`). A skip moves the cursor on the hub, and is kept in `_skip` as long as it
 * can be undone; meanwhile nothing counts as missed. `replay` is always null: handlers are in kernels, so replaying
 * gives the reader's notebook the lines that do so.
 */
export class MissedOfReader implements IMissedModel {
  constructor(
    private readonly room: string,
    private readonly reader: Pick<ISubscription, 'as' | 'kind'>,
    private readonly hub: IRtmsg,
    private readonly trans: ITranslation,
    private readonly put: PutLines,
    /** Called when something is other than it was told. */
    private readonly onChange: () => void
  ) {}

  readonly replay = null;

  readonly problem = null;

  readonly noSkip = null;

  get name(): string {
    return escapeHidden(this.reader.as);
  }

  get missed(): IMissedBlock | null {
    return this._skip === null && this._missed?.count ? this._missed : null;
  }

  get skipped(): number {
    return this._skip?.count ?? 0;
  }

  /** Take what the hub says; null: nothing is missed. */
  tell(lag: ILag | null): void {
    if (lag === null) {
      this._missed = null;
      return;
    }
    const names = Object.entries(lag.by_event);
    const byEvent = names.slice(0, MAX_NAMES).map(([name, count]) => [escapeHidden(name), count] as const);
    const others = byEvent.reduce((left, [, count]) => left - count, lag.missed);
    this._missed = { count: lag.missed, from: lag.oldest, to: null, byEvent, others };
  }

  play(speed: number): Promise<IOutcome> {
    const as = this.reader.kind === 'name' ? `, as_=${pythonText(this.reader.as)}` : '';
    const join = `room = rt.connect().join(${pythonText(this.room)}${as})`;
    return this.put(`${join}\nroom.replay(events=room.missed(), speed=${speed})`);
  }

  pause(): Promise<IOutcome> {
    return this.notHere();
  }

  resume(): Promise<IOutcome> {
    return this.notHere();
  }

  stop(): Promise<IOutcome> {
    return this.notHere();
  }

  async skip(): Promise<IOutcome> {
    const count = this._missed?.count ?? 0;
    const { was, epoch, opening } = await this.seek('end');
    this._skip = { count, to: { seq: was, epoch, opening } };
    this._undoing = setTimeout(() => {
      this.forget();
    }, UNDO_FOR);
    this.onChange();
    return { ok: true, text: this.trans.__('Skipped: all events up to now count as handled.') };
  }

  async undo(): Promise<IOutcome> {
    if (this._skip) {
      await this.seek(this._skip.to);
      this.forget();
    }
    return { ok: true, text: this.trans.__('The place is the one before again.') };
  }

  /** The models of a room are watched together. */
  watch(): () => void {
    return () => undefined;
  }

  dispose(): void {
    clearTimeout(this._undoing);
  }

  private forget(): void {
    clearTimeout(this._undoing);
    this._skip = null;
    this.onChange();
  }

  private notHere(): Promise<IOutcome> {
    return Promise.resolve({ ok: false, text: this.trans.__('A replay is paused and stopped in its notebook.') });
  }

  private seek(to: 'end' | object): Promise<ISeek> {
    return this.hub.request('seek', { room: this.room, as: this.reader.as, to });
  }

  private _missed: IMissedBlock | null = null;
  private _skip: { count: number; to: { seq: number; epoch: string; opening: number } } | null = null;
  private _undoing: ReturnType<typeof setTimeout> | undefined;
}
