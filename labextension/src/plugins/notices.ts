import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Notices } from '../panel/notices';
import { IMessages, IRtmsg } from '../tokens';

/** The plugin whose settings name the rooms. */
const SETTINGS = 'jupyter-rtmsg:panel';

/** Notifies of the events of the rooms that the settings name. */
export const noticesPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-rtmsg:notices',
  description: 'Notifications of events in the rooms that the settings name.',
  autoStart: true,
  requires: [IRtmsg, IMessages],
  optional: [ISettingRegistry, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    hub: IRtmsg,
    messages: IMessages,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('jupyter_rtmsg');
    const notices = new Notices(hub, messages, trans, room => void app.commands.execute('rtmsg:open', { room }));
    // Without the schema there are no settings, and no room notifies.
    registry?.load(SETTINGS).then(
      settings => {
        const read = (): void => {
          notices.follow(settings.composite['notify']);
        };
        settings.changed.connect(read);
        read();
      },
      () => undefined
    );
  }
};
