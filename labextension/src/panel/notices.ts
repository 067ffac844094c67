import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IMessages, IRoom, IRtmsg } from '../tokens';

/** How many rooms may notify. */
const MAX_ROOMS = 20;

/** The shortest time between two changes of a room's notification, in milliseconds. */
const INTERVAL = 1_000;

/** A room that notifies: the last entry that was counted, and the notification that is shown. */
interface IFollowed {
  readonly room: IRoom;
  counted: number;
  count: number;
  notification: string | null;
  timer: number;
}

/**
 * Notifies of live events in rooms that nobody looks at: one notification for each room, whose count grows.
 *
 * A room that is shown in the panel while people see it does not notify.
 */
export class Notices {
  constructor(
    private readonly hub: IRtmsg,
    private readonly messages: IMessages,
    private readonly trans: TranslationBundle,
    private readonly open: (room: string) => void
  ) {}

  /** Follow the rooms that a setting names, and no others. */
  follow(names: unknown): void {
    const wanted = new Set(
      Array.isArray(names) ? names.filter(name => typeof name === 'string').slice(0, MAX_ROOMS) : []
    );
    this._followed.forEach((followed, name) => {
      if (!wanted.has(name)) {
        window.clearTimeout(followed.timer);
        this._followed.delete(name);
        followed.release();
      }
    });
    wanted.forEach(name => {
      if (!this._followed.has(name)) {
        this._followed.set(name, this.add(name));
      }
    });
  }

  private add(name: string): IFollowed & { release: () => void } {
    const room = this.hub.join(name);
    const followed = { room, counted: -1, count: 0, notification: null, timer: 0 } as IFollowed;
    const changed = (): void => {
      this.arrived(followed);
    };
    room.changed.connect(changed);
    return Object.assign(followed, { release: () => room.changed.disconnect(changed) });
  }

  private arrived(followed: IFollowed): void {
    const { entries, name } = followed.room;
    for (let index = entries.length - 1; (entries[index]?.key ?? -1) > followed.counted; index--) {
      const entry = entries[index];
      followed.count += entry?.kind === 'event' && !entry.event.replay ? 1 : 0;
    }
    followed.counted = entries[entries.length - 1]?.key ?? followed.counted;
    if (this.messages.isLookedAt(name)) {
      followed.count = 0;
    } else if (followed.count > 0 && followed.timer === 0) {
      followed.timer = window.setTimeout(() => {
        followed.timer = 0;
        this.tell(followed);
      }, INTERVAL);
    }
  }

  /** Show the notification of a room, or change its count where it is still shown. */
  private tell(followed: IFollowed): void {
    const { name } = followed.room;
    if (this.messages.isLookedAt(name)) {
      followed.count = 0;
      return;
    }
    const { count, notification } = followed;
    const message = this.trans._n('%2: %1 new event', '%2: %1 new events', count, count, name);
    if (notification === null || !Notification.update({ id: notification, message })) {
      const show = { label: this.trans.__('Show'), callback: () => { this.open(name); } }; // prettier-ignore
      followed.notification = Notification.info(message, { autoClose: 10_000, actions: [show] });
    }
  }

  private readonly _followed = new Map<string, IFollowed & { release: () => void }>();
}
