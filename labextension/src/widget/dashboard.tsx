import { DashboardView } from '../views/dashboardview';
import { type IDashboardTraits, KernelDashboard } from './dashboardmodel';
import { widgetOf } from './mount';

/** The anywidget of `jupyter_rtmsg.widgets.Dashboard`. */
export default widgetOf<IDashboardTraits, KernelDashboard>(
  model => new KernelDashboard(model),
  dashboard => <DashboardView dashboard={dashboard} />
);
