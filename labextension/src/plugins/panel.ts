import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { Debouncer } from '@lumino/polling';
import type { ISignal } from '@lumino/signaling';

import { messagesIcon } from '../panel/icon';
import { MessagesPanel } from '../panel/panel';
import { IMessages, IRtmsg } from '../tokens';
import type { IPage } from '../views/hooks';
import { EventMenu } from './eventmenu';
import { OPEN_TAB, RoomTabs } from './roomtabs';

const PLUGIN = 'jupyter-rtmsg:panel';

/** The keys under which the rooms and the open sections are kept for the next page. */
const ROOMS = 'jupyter-rtmsg:rooms';
const SECTIONS = 'jupyter-rtmsg:sections';

/** Milliseconds after the last change until it is saved. */
const SAVE_AFTER = 1_000;

const OPEN = 'rtmsg:open';
const LEAVE = 'rtmsg:leave';
const NEXT = 'rtmsg:next-unread';

/** JupyterLab's command that writes into the active cell. */
const INSERT = 'notebook:replace-selection';

/** Adds the panel to a side bar, the commands that use it, and a tile of the launcher. */
export const panelPlugin: JupyterFrontEndPlugin<IMessages> = {
  id: PLUGIN,
  description: 'The side panel with the rooms, who is in them and their live events.',
  autoStart: true,
  provides: IMessages,
  requires: [IRtmsg],
  optional: [ITranslator, ILayoutRestorer, ICommandPalette, ILauncher, IStateDB, ISettingRegistry],
  activate: (
    app: JupyterFrontEnd,
    hub: IRtmsg,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    state: IStateDB | null,
    settings: ISettingRegistry | null
  ): IMessages => {
    const trans = (translator ?? nullTranslator).load('jupyter_rtmsg');
    const page = pageOf(app, trans);
    const menu = new EventMenu(app, page, trans);
    page.showMenu = (event, room, row) => {
      menu.show(event, room, row);
    };
    const tabs = new RoomTabs(app, hub, () => panel, page, trans);
    const panel: MessagesPanel = new MessagesPanel(hub, trans, page, room => {
      tabs.open(room);
    });
    app.shell.add(panel, 'right', { rank: 900 });
    if (restorer) {
      restorer.add(panel, panel.id);
      tabs.restore(restorer);
    }
    addCommands(app, panel, trans);
    [OPEN, OPEN_TAB, LEAVE, NEXT].forEach(command => palette?.addItem({ command, category: trans.__('Messages') }));
    launcher?.add({ command: OPEN, category: trans.__('Other'), rank: 20 });
    if (state) {
      keep(state, ROOMS, panel.rooms);
      keep(state, SECTIONS, panel.sections);
    }
    if (settings) {
      void placeBySettings(app, panel, settings);
    }
    return panel.rooms;
  }
};

function addCommands(app: JupyterFrontEnd, panel: MessagesPanel, trans: TranslationBundle): void {
  const { commands } = app;
  const { rooms } = panel;
  commands.addCommand(OPEN, {
    label: trans.__('Show Messages'),
    caption: trans.__('Show the rooms of the real-time hub, and join one if it is named'),
    icon: messagesIcon,
    describedBy: { args: { type: 'object', properties: { room: { type: 'string' } } } },
    execute: ({ room }) => {
      app.shell.activateById(panel.id);
      if (typeof room === 'string') {
        panel.enter(room);
      }
    }
  });
  commands.addCommand(LEAVE, {
    label: () => (rooms.current ? trans.__('Leave %1', rooms.current.name) : trans.__('Leave the Room')),
    isEnabled: () => rooms.current !== null,
    describedBy: { args: { type: 'object', properties: {} } },
    execute: () => {
      rooms.leave(rooms.current?.name ?? '');
    }
  });
  commands.addCommand(NEXT, {
    label: trans.__('Next Room with New Messages'),
    isEnabled: () => rooms.unseen > 0,
    describedBy: { args: { type: 'object', properties: {} } },
    execute: () => {
      app.shell.activateById(panel.id);
      rooms.showUnseen();
    }
  });
  rooms.changed.connect(() => {
    commands.notifyCommandChanged(OPEN_TAB);
    commands.notifyCommandChanged(LEAVE);
    commands.notifyCommandChanged(NEXT);
  });
}

/** Return what the page can do for the views. */
function pageOf({ commands }: JupyterFrontEnd, trans: TranslationBundle): IPage {
  const page: IPage = { copy: text => navigator.clipboard.writeText(text) };
  if (!commands.hasCommand(INSERT)) {
    // The notebook's commands may come later than this plugin.
    commands.commandChanged.connect(function added(registry) {
      if (registry.hasCommand(INSERT)) {
        registry.commandChanged.disconnect(added);
        page.insertIntoCell = insert;
      }
    });
    return page;
  }
  page.insertIntoCell = insert;
  return page;

  async function insert(line: string): Promise<{ ok: boolean; text: string }> {
    if (!commands.isEnabled(INSERT)) {
      return { ok: false, text: trans.__('Open a notebook and click into a cell first.') };
    }
    await commands.execute(INSERT, { text: line });
    return { ok: true, text: trans.__('Inserted') };
  }
}

/** What is the same after a reload. */
interface IKept {
  readonly saved: unknown;
  restore(saved: unknown): void;
  readonly savedChanged: ISignal<unknown, void>;
}

/** Restore what the last page had, and keep that of this one for the next. */
function keep(state: IStateDB, key: string, kept: IKept): void {
  const saving = new Debouncer(() => state.save(key, JSON.parse(JSON.stringify(kept.saved)) as never), SAVE_AFTER);
  void state
    .fetch(key)
    .catch(() => undefined)
    .then(saved => {
      kept.restore(saved);
      kept.savedChanged.connect(() => void saving.invoke());
    });
}

/** Move the panel to the side bar that the settings name. */
async function placeBySettings(app: JupyterFrontEnd, panel: MessagesPanel, registry: ISettingRegistry): Promise<void> {
  try {
    const settings = await registry.load(PLUGIN);
    if (settings.composite['side'] === 'left') {
      app.shell.add(panel, 'left', { rank: 900 });
    }
  } catch {
    // A page without the schema has no settings: the panel stays where it is.
  }
}
