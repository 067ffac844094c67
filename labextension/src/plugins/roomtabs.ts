import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import { messagesIcon } from '../panel/icon';
import type { MessagesPanel } from '../panel/panel';
import { RoomTab } from '../panel/roomtab';
import type { IRtmsg } from '../tokens';
import type { IPage } from '../views/hooks';

export const OPEN_TAB = 'rtmsg:open-tab';

/** Rooms in tabs of the main area: one for each room, which JupyterLab restores after a reload. */
export class RoomTabs {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly hub: IRtmsg,
    private readonly panel: () => MessagesPanel,
    private readonly page: IPage,
    private readonly trans: TranslationBundle
  ) {
    app.commands.addCommand(OPEN_TAB, {
      label: trans.__('Open the Room as a Tab'),
      caption: trans.__('Show the room of the panel, or the one that is named, in the main area'),
      icon: messagesIcon,
      isEnabled: ({ room }) => typeof room === 'string' || panel().rooms.current !== null,
      describedBy: { args: { type: 'object', properties: { room: { type: 'string' } } } },
      execute: ({ room }) => {
        const name = typeof room === 'string' ? room : panel().rooms.current?.name;
        if (name !== undefined) {
          this.open(name);
        }
      }
    });
  }

  /** Show a room in its tab. The panel does not show it twice. */
  open(room: string): void {
    const known = this._tracker.find(({ id }) => id === idOf(room));
    const tab = known ?? this.make(room);
    if (!tab.isAttached) {
      this.app.shell.add(tab, 'main');
    }
    this.app.shell.activateById(tab.id);
    const { rooms } = this.panel();
    if (rooms.current?.name === room) {
      rooms.show(null);
    }
  }

  restore(restorer: ILayoutRestorer): void {
    void restorer.restore(this._tracker, {
      command: OPEN_TAB,
      args: ({ content }) => ({ room: content.room.name }),
      name: ({ content }) => content.room.name
    });
  }

  private make(room: string): MainAreaWidget<RoomTab> {
    const { rooms, sections } = this.panel();
    const content = new RoomTab(this.hub, rooms, rooms.add(room), sections, this.trans, this.page);
    const tab = new MainAreaWidget({ content });
    tab.id = idOf(room);
    tab.toolbar.hide();
    void this._tracker.add(tab);
    return tab;
  }

  private readonly _tracker = new WidgetTracker<MainAreaWidget<RoomTab>>({ namespace: 'jupyter-rtmsg-rooms' });
}

function idOf(room: string): string {
  return `jp-rtmsg-room-${room}`;
}
