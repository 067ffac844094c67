import { clientPlugin } from './plugins/client';
import { noticesPlugin } from './plugins/notices';
import { panelPlugin } from './plugins/panel';
import { statusPlugin } from './plugins/status';

export { IMessages, IRtmsg, type Entry, type IRoom, type State } from './tokens';
export { HubError, type IEvent, type IMember, type IMeta, type IRoomSummary, type ISender } from './hub/wire';

export default [clientPlugin, panelPlugin, statusPlugin, noticesPlugin];
