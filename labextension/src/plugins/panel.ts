import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { messagesIcon } from '../panel/icon';
import { MessagesPanel } from '../panel/panel';
import { IRtmsg } from '../tokens';

const OPEN = 'rtmsg:open';

/** Adds the panel to the right side bar, and a command that opens it. */
export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-rtmsg:panel',
  description: 'The side panel with the rooms, who is in them and their live events.',
  autoStart: true,
  requires: [IRtmsg],
  optional: [ITranslator, ILayoutRestorer, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    hub: IRtmsg,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('jupyter_rtmsg');
    const panel = new MessagesPanel(hub, trans);
    app.shell.add(panel, 'right', { rank: 900 });
    restorer?.add(panel, panel.id);
    app.commands.addCommand(OPEN, {
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
    palette?.addItem({ command: OPEN, category: trans.__('Messages') });
  }
};
