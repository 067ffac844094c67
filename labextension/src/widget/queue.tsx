import { QueueView } from '../views/queueview';
import { widgetOf } from './mount';
import { type IQueueTraits, KernelQueue } from './queuemodel';

/** The anywidget of `jupyter_rtmsg.widgets.QueueView`. */
export default widgetOf<IQueueTraits, KernelQueue>(
  model => new KernelQueue(model),
  queue => <QueueView queue={queue} />
);
