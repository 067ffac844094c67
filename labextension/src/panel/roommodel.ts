import { title } from '../hub/names';
import type { ITranslation } from '../hub/translation';
import type { Entry, IRoom, IRtmsg } from '../tokens';
import type { IDraft, IEarlier, IMemberItem, IOutcome, IRoomModel, Row } from '../views/model';
import { EventRow } from './eventrow';

/** The most bytes of an event's data: a message of 1,000,000 without what else is in it (docs/wire.md). */
const MAX_BYTES = 990_000;

/** A room of the hub, as views show it. */
export class PanelRoom implements IRoomModel {
  constructor(
    /** The room itself. */
    readonly room: IRoom,
    private readonly hub: IRtmsg,
    private readonly trans: ITranslation,
    private readonly onDraft: () => void = () => undefined
  ) {}

  /** The panel's head shows the state of the connection. */
  readonly status = null;

  /** The panel has no subscription of its own: it counts nothing as missed. */
  readonly missed = 0;

  readonly form = { event: 'message', lines: 2, slow: null };

  readonly maxBytes = MAX_BYTES;

  /** What is in the fields of the form. */
  draft?: IDraft;

  keepDraft(draft: IDraft): void {
    this.draft = draft;
    this.onDraft();
  }

  /** The number of live events that came while nobody looked. */
  get unseen(): number {
    const { entries } = this.room;
    for (let index = entries.length - 1; index >= 0; index--) {
      const entry = entries[index];
      if (!entry || entry.key <= this._counted) {
        break;
      }
      this._unseen += entry.kind === 'event' && !entry.event.replay ? 1 : 0;
    }
    this._counted = entries[entries.length - 1]?.key ?? this._counted;
    return this._unseen;
  }

  /** Count all events as seen. */
  see(): void {
    this._counted = this.room.entries[this.room.entries.length - 1]?.key ?? this._counted;
    this._unseen = 0;
  }

  get name(): string {
    return this.room.name;
  }

  get error(): string | null {
    return this.room.error;
  }

  get members(): readonly IMemberItem[] {
    return this.room.members.map(member => ({
      key: member.member,
      label: this.room.nameOf(member),
      title: title(member),
      state: member.state
    }));
  }

  get unlisted(): number {
    return this.room.count - this.room.members.length;
  }

  /** The rows of all entries; another array after each change, in which a row that has not changed is the same. */
  get rows(): readonly Row[] {
    const { entries, namesVersion } = this.room;
    const [first, last] = [entries[0]?.key ?? 0, entries[entries.length - 1]?.key ?? 0];
    const [from, to] = [this._rows[0]?.key ?? 0, this._rows[this._rows.length - 1]?.key ?? 0];
    if (namesVersion !== this._namesVersion) {
      this._namesVersion = namesVersion;
      this._rows = entries.map(entry => this.row(entry));
    } else if (first !== from || last !== to || entries.length !== this._rows.length) {
      // Keys are consecutive, so a row's place follows from its key.
      const known = this._rows;
      this._rows = entries.map(entry => known[entry.key - from] ?? this.row(entry));
    }
    return this._rows;
  }

  get earlier(): IEarlier {
    return { more: this.room.hasEarlier && this.canEmit, load: () => this.room.loadEarlier() };
  }

  get canEmit(): boolean {
    return this.hub.state === 'connected';
  }

  get emitProblem(): string | null {
    return this.canEmit ? null : this.hub.advice || this.trans.__('Not connected: nothing can be emitted now.');
  }

  async emit(event: string, json: string): Promise<IOutcome> {
    try {
      const seq = await this.room.publishJson(event, json);
      return { ok: true, text: this.trans.__('Stored as number %1', seq) };
    } catch (error) {
      return { ok: false, text: error instanceof Error ? error.message : String(error) };
    }
  }

  watch(changed: () => void): () => void {
    this.room.changed.connect(changed);
    return () => {
      this.room.changed.disconnect(changed);
    };
  }

  private row(entry: Entry): Row {
    if (entry.kind === 'remark') {
      return entry;
    }
    const [sender, user] = this.room.partsOf(entry.event.from);
    return new EventRow(entry.key, entry.event, sender, user, false);
  }

  private _rows: readonly Row[] = [];
  private _unseen = 0;
  /** The key of the last entry that was counted. */
  private _counted = -1;
  private _namesVersion = -1;
}
