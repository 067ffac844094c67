import { escapeHidden } from '../hub/invisible';
import { title } from '../hub/names';
import type { ITranslation } from '../hub/translation';
import type { Entry, IRoom, IRtmsg } from '../tokens';
import { dataText } from '../views/format';
import type { IEventRow, IMemberItem, IOutcome, IRoomModel, Row } from '../views/model';

/** A room of the hub, as views show it. */
export class PanelRoom implements IRoomModel {
  constructor(
    /** The room itself. */
    readonly room: IRoom,
    private readonly hub: IRtmsg,
    private readonly trans: ITranslation
  ) {}

  /** The panel's head shows the state of the connection. */
  readonly status = null;

  /** The panel has no subscription of its own: it counts nothing as missed. */
  readonly missed = 0;

  readonly form = { event: '', lines: 2, slow: null };

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

  get rows(): readonly Row[] {
    return this.room.entries.map(entry => (entry.kind === 'event' ? this.row(entry) : entry));
  }

  get canEmit(): boolean {
    return this.hub.state === 'connected';
  }

  async emit(event: string, json: string): Promise<IOutcome> {
    try {
      const seq = await this.room.publish(event, json ? (JSON.parse(json) as unknown) : undefined);
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

  /** Return the row of an event; the same one until its sender has another display name. */
  private row(entry: Entry & { kind: 'event' }): IEventRow {
    const { event, key } = entry;
    const [sender, user] = this.room.partsOf(event.from);
    const known = this._rows.get(entry);
    if (known?.sender === sender && known.user === user) {
      return known;
    }
    const row: IEventRow = {
      kind: 'event',
      key,
      name: escapeHidden(event.name),
      sender,
      user,
      title: title(event.from),
      data: event.data === null ? null : dataText(event.data),
      ts: event.ts,
      seq: event.seq,
      replay: event.replay === true
    };
    this._rows.set(entry, row);
    return row;
  }

  private readonly _rows = new WeakMap<Entry, IEventRow>();
}
