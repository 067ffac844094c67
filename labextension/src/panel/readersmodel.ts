import type { ILag, ISubscription, ISubscriptionPage } from '../hub/groupwire';
import { type IFound, Looks } from '../hub/looks';
import type { ITranslation } from '../hub/translation';
import type { IRoom, IRtmsg } from '../tokens';
import { MissedOfReader, type PutLines } from './missedmodel';

/** The readers that are shown. */
const MAX_READERS = 20;

/**
 * The user's subscriptions in a room, and what each has missed. Looking moves no cursor.
 *
 * The hub does not announce that a reader has acknowledged events: it is asked after each event of the room, and more
 * and more seldom while a reader that is connected has some to handle.
 */
export class PanelReaders {
  constructor(
    private readonly room: IRoom,
    private readonly hub: IRtmsg,
    private readonly trans: ITranslation,
    private readonly put: PutLines
  ) {
    room.changed.connect(this.touch);
    hub.changed.connect(this.touch);
    this._looks.touch();
  }

  /** Those who have missed something, or whose skip can be undone; null: the hub was not asked yet. */
  get behind(): readonly MissedOfReader[] | null {
    return this._count === null ? null : [...this._readers.values()].filter(each => each.missed ?? each.skipped);
  }

  /** The number of readers. */
  get count(): number {
    return this._count ?? 0;
  }

  /** Why the hub could not be asked; null: it could. */
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
    this._readers.forEach(reader => {
      reader.dispose();
    });
  }

  watch(changed: () => void): () => void {
    this._watchers.add(changed);
    return () => this._watchers.delete(changed);
  }

  private readonly touch = (): void => {
    this._looks.touch();
  };

  private async look(): Promise<IFound> {
    const before = this._told;
    let due = false;
    try {
      due = await this.read();
      this._problem = null;
    } catch (error) {
      this._problem = error instanceof Error ? error.message : String(error);
    }
    this.tell();
    return { due, changed: this._told !== before };
  }

  /** Return whether a reader that is connected is behind. */
  private async read(): Promise<boolean> {
    const { name: room } = this.room;
    const { subscriptions }: ISubscriptionPage = await this.hub.request('subscriptions', { room });
    const listed = subscriptions.filter(({ ended }) => ended === undefined).slice(0, MAX_READERS);
    const lags = await Promise.all(
      listed.map(({ as, cursor, head }) =>
        cursor < head ? this.hub.request<ILag>('lag', { room, as }) : Promise.resolve(null)
      )
    );
    this.forgetOthers(listed);
    listed.forEach((subscription, index) => {
      this.reader(subscription).tell(lags[index] ?? null);
    });
    this._count = listed.length;
    this._told = JSON.stringify(lags);
    return listed.some(({ live }, index) => live && lags[index]?.missed);
  }

  private reader(subscription: ISubscription): MissedOfReader {
    const key = keyOf(subscription);
    const made =
      this._readers.get(key) ??
      new MissedOfReader(this.room.name, subscription, this.hub, this.trans, this.put, () => {
        this.tell();
        this.touch();
      });
    this._readers.set(key, made);
    return made;
  }

  private forgetOthers(listed: readonly ISubscription[]): void {
    const keys = new Set(listed.map(keyOf));
    this._readers.forEach((reader, key) => {
      if (!keys.has(key)) {
        reader.dispose();
        this._readers.delete(key);
      }
    });
  }

  private tell(): void {
    this._watchers.forEach(watcher => {
      watcher();
    });
  }

  private readonly _looks = new Looks(() => this.look());
  private readonly _watchers = new Set<() => void>();
  private readonly _readers = new Map<string, MissedOfReader>();
  private _count: number | null = null;
  private _told = '';
  private _problem: string | null = null;
}

function keyOf({ kind, as }: ISubscription): string {
  return `${kind} ${as}`;
}
