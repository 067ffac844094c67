import { type IDeadLetter, type IGroup, type IGroupPage, type ILetterPage, payloadOf } from '../hub/groupwire';
import { escapeHidden } from '../hub/invisible';
import { type IFound, Looks } from '../hub/looks';
import { title } from '../hub/names';
import type { ITranslation } from '../hub/translation';
import type { IRoom, IRtmsg } from '../tokens';
import type { IOutcome } from '../views/model';
import { lineText } from '../views/payload';
import type { IGroupItem, ILagPoint, ILetterItem, ILetters, IQueueModel } from '../views/queuemodel';

/** The points of a line, the workers of a group, and the dead letters that are shown. */
const MAX_POINTS = 120;
const MAX_WORKERS = 20;
const MAX_LETTERS = 100;
/** Pages of groups that one look asks for. */
const MAX_PAGES = 4;

/**
 * The worker groups of a room, asked of the hub: after each event of the room, and while events wait.
 *
 * It is made when people open it, and disposed of when they close it.
 */
export class PanelQueue implements IQueueModel {
  constructor(
    private readonly room: IRoom,
    private readonly hub: IRtmsg,
    private readonly trans: ITranslation
  ) {
    room.changed.connect(this.touch);
    hub.changed.connect(this.touch);
    this._looks.touch();
  }

  get name(): string {
    return this.room.name;
  }

  get groups(): readonly IGroupItem[] | null {
    return this._groups;
  }

  get letters(): ILetters | null {
    return this._letters;
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

  async refresh(): Promise<IOutcome> {
    await this._looks.now();
    return { ok: this._problem === null, text: this._problem ?? '' };
  }

  pause(group: string): Promise<IOutcome> {
    return this.steer('pause_group', { group }, () => this.trans.__('Paused.'));
  }

  resume(group: string): Promise<IOutcome> {
    return this.steer('resume_group', { group }, () => this.trans.__('Resumed.'));
  }

  async open(group: string | null): Promise<IOutcome> {
    this._open = group;
    return this.refresh();
  }

  redrive(group: string, numbers: readonly number[] | null): Promise<IOutcome> {
    const body = numbers === null ? { group } : { group, numbers };
    return this.steer('redrive', body, ({ redriven = 0 }) =>
      this.trans._n('%1 given to workers again.', '%1 given to workers again.', redriven, redriven)
    );
  }

  discard(group: string, numbers: readonly number[] | null): Promise<IOutcome> {
    const body = numbers === null ? { group } : { group, numbers };
    return this.steer('discard', body, ({ discarded = 0 }) =>
      this.trans._n('%1 deleted.', '%1 deleted.', discarded, discarded)
    );
  }

  watch(changed: () => void): () => void {
    this._watchers.add(changed);
    return () => this._watchers.delete(changed);
  }

  private readonly touch = (): void => {
    this._looks.touch();
  };

  private async steer(
    command: string,
    body: object,
    told: (reply: { redriven?: number; discarded?: number }) => string
  ): Promise<IOutcome> {
    try {
      const text = told(await this.hub.request(command, { room: this.name, ...body }));
      this.touch();
      return { ok: true, text };
    } catch (error) {
      return { ok: false, text: error instanceof Error ? error.message : String(error) };
    }
  }

  private async look(): Promise<IFound> {
    const before = JSON.stringify(this._read);
    try {
      this._read = await this.readGroups();
      this._groups = this._read.map(group => this.item(group));
      this._letters = await this.readLetters();
      this._problem = null;
    } catch (error) {
      this._problem = error instanceof Error ? error.message : String(error);
    }
    this._watchers.forEach(watcher => {
      watcher();
    });
    // Without a connection there is nothing to ask: the next one touches this.
    const due = this._problem === null && this._read.some(({ lag, paused }) => lag > 0 && !paused);
    return { due, changed: JSON.stringify(this._read) !== before };
  }

  private async readGroups(): Promise<IGroup[]> {
    const groups: IGroup[] = [];
    let more = true;
    for (let page = 0; more && page < MAX_PAGES; page += 1) {
      const after = groups[groups.length - 1]?.group;
      const request = { room: this.name, ...(after === undefined ? {} : { after }) };
      const reply: IGroupPage = await this.hub.request('groups', request);
      groups.push(...reply.groups);
      more = reply.more && reply.groups.length > 0;
    }
    return groups;
  }

  private async readLetters(): Promise<ILetters | null> {
    const group = this._open;
    if (group === null || !this._read.some(each => each.group === group)) {
      return null;
    }
    const request = { room: this.name, group, limit: MAX_LETTERS };
    const { letters, count, discarded }: ILetterPage = await this.hub.request('dead_letters', request);
    return { group, items: letters.map(letter => this.letter(letter)), count, discarded };
  }

  private item(group: IGroup): IGroupItem {
    const { lag, paused, delayed, dead, done, count, workers } = group;
    const history = [...(this._history.get(group.group) ?? []), { ts: Date.now(), lag }].slice(-MAX_POINTS);
    this._history.set(group.group, history);
    return {
      name: group.group,
      event: escapeHidden(group.event ?? '*'),
      paused,
      lag,
      inFlight: group.in_flight,
      delayed,
      dead,
      done,
      lastError: group.last_error ? escapeHidden(group.last_error) : null,
      workerCount: count,
      workers: workers.slice(0, MAX_WORKERS).map(worker => ({
        key: worker.member,
        label: this.room.nameOf(worker),
        title: title(worker),
        inFlight: worker.in_flight,
        maxInFlight: worker.max_in_flight,
        away: worker.away === true
      })),
      history
    };
  }

  private letter(letter: IDeadLetter): ILetterItem {
    const { error } = letter;
    return {
      number: letter.number,
      label: letter.n === null ? `seq ${String(letter.seq)}` : `#${letter.n}`,
      event: escapeHidden(letter.event),
      data: letter.data === null ? null : escapeHidden(lineText(payloadOf(letter))),
      reason: letter.reason,
      message: escapeHidden(letter.message),
      error: escapeHidden([error?.type, error?.message].filter(Boolean).join(': ')),
      traceback: error?.traceback ?? '',
      sender: this.room.nameOf(letter.from),
      worker: escapeHidden(letter.worker),
      deliveries: letter.deliveries,
      last: letter.last
    };
  }

  private readonly _looks = new Looks(() => this.look());
  private readonly _watchers = new Set<() => void>();
  private readonly _history = new Map<string, readonly ILagPoint[]>();
  private _open: string | null = null;
  private _read: IGroup[] = [];
  private _groups: readonly IGroupItem[] | null = null;
  private _letters: ILetters | null = null;
  private _problem: string | null = null;
}
