import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Client } from '../client';
import { IRtmsg } from '../tokens';

/** Provides the hub to all who ask for its token. */
export const clientPlugin: JupyterFrontEndPlugin<IRtmsg> = {
  id: 'jupyter-rtmsg:client',
  description: 'The connection to the real-time hub of the Jupyter server.',
  autoStart: true,
  provides: IRtmsg,
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null): IRtmsg => {
    const { serverSettings: settings } = app.serviceManager;
    const trans = (translator ?? nullTranslator).load('jupyter_rtmsg');
    return new Client({ settings, trans });
  }
};
