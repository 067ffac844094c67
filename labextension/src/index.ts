import { clientPlugin } from './plugins/client';
import { panelPlugin } from './plugins/panel';

export { IRtmsg, type Entry, type IRoom, type State } from './tokens';
export { HubError, type IEvent, type IMember, type IMeta, type IRoomSummary, type ISender } from './hub/wire';

export default [clientPlugin, panelPlugin];
