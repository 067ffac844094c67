import { type IValuePage, payloadOf } from '../hub/groupwire';
import { escapeHidden } from '../hub/invisible';
import { type IFound, Looks } from '../hub/looks';
import { title } from '../hub/names';
import type { IRoom, IRtmsg } from '../tokens';
import { lineText } from '../views/payload';
import type { IStateItem, IStateModel } from '../views/statemodel';

/** The values that are shown; a room may have 1,000. */
const MAX_VALUES = 200;

/** The state of a room, asked of the hub after each change of the room. */
export class PanelState implements IStateModel {
  constructor(
    private readonly room: IRoom,
    private readonly hub: IRtmsg
  ) {
    room.changed.connect(this.touch);
    hub.changed.connect(this.touch);
    this._looks.touch();
  }

  get name(): string {
    return this.room.name;
  }

  get items(): readonly IStateItem[] | null {
    return this._items;
  }

  get unlisted(): number {
    return this._unlisted;
  }

  get problem(): string | null {
    return this._problem;
  }

  set isSeen(isSeen: boolean) {
    this._looks.isSeen = isSeen;
  }

  dispose(): void {
    this.room.changed.disconnect(this.touch);
    this.hub.changed.disconnect(this.touch);
    this._looks.dispose();
  }

  watch(changed: () => void): () => void {
    this._watchers.add(changed);
    return () => this._watchers.delete(changed);
  }

  private readonly touch = (): void => {
    this._looks.touch();
  };

  private async look(): Promise<IFound> {
    try {
      await this.read();
      this._problem = null;
    } catch (error) {
      this._problem = error instanceof Error ? error.message : String(error);
    }
    this._watchers.forEach(watcher => {
      watcher();
    });
    return { due: false, changed: true };
  }

  private async read(): Promise<void> {
    const values: IValuePage['values'][number][] = [];
    let page: IValuePage = await this.hub.request('state', { room: this.name });
    values.push(...page.values);
    while (page.more && page.values.length > 0) {
      page = await this.hub.request('state', { room: this.name, after: page.through });
      values.push(...page.values);
    }
    this._unlisted = Math.max(0, values.length - MAX_VALUES);
    this._items = values.slice(0, MAX_VALUES).map(({ key, data, json, from, ts, seq }) => ({
      key: escapeHidden(key),
      value: escapeHidden(lineText(payloadOf({ data, json }))),
      who: this.room.nameOf(from),
      title: title(from),
      ts,
      seq: seq ?? 0
    }));
  }

  private readonly _looks = new Looks(() => this.look());
  private readonly _watchers = new Set<() => void>();
  private _items: readonly IStateItem[] | null = null;
  private _unlisted = 0;
  private _problem: string | null = null;
}
