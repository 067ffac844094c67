import type { TranslationBundle } from '@jupyterlab/translation';
import type { VNode } from 'preact';

import type { IMessages, IRtmsg } from '../tokens';
import { stateText } from '../views/statusbadge';
import { PreactWidget } from './host';

/** The item of the status bar: new events, or the state of the connection where it is not connected. */
export class StatusItem extends PreactWidget {
  constructor(
    private readonly hub: IRtmsg,
    private readonly messages: IMessages,
    private readonly trans: TranslationBundle,
    private readonly open: () => void
  ) {
    super();
    this.addClass('jp-RtmsgStatus');
  }

  protected override view(): VNode {
    const { state } = this.hub;
    const { unseen } = this.messages;
    const isConnected = state === 'connected' || state === 'idle';
    const news = unseen > 0 ? this.trans.__('%1 new', unseen > 99 ? '99+' : unseen) : this.trans.__('nothing new');
    return (
      <button type="button" title={this.trans.__('Show Messages')} onClick={this.open}>
        {this.trans.__('Messages: %1', isConnected ? news : stateText(state, this.trans))}
      </button>
    );
  }
}
