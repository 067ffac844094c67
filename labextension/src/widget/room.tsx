import { RoomView } from '../views/roomview';
import { widgetOf } from './mount';
import { type IRoomTraits, KernelRoom } from './roommodel';

/** The anywidget of `jupyter_rtmsg.widgets.RoomView`. */
export default widgetOf<IRoomTraits, KernelRoom>(
  model => new KernelRoom(model),
  room => <RoomView room={room} />
);
