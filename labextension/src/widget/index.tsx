import { render } from 'preact';

import { RoomView } from '../views/roomview';
import { type IKernelModel, KernelRoom } from './model';

interface IWidget {
  initialize(options: { model: IKernelModel }): () => void;
  render(options: { model: IKernelModel; el: HTMLElement }): () => void;
}

/** The anywidget of `jupyter_rtmsg.widgets.RoomView`: one room for each model, which all its views show. */
export default (): IWidget => {
  let room: KernelRoom;
  return {
    initialize({ model }) {
      room = new KernelRoom(model);
      return () => {
        room.close();
      };
    },
    render({ el }) {
      el.classList.add('jp-RtmsgWidget');
      render(<RoomView room={room} />, el);
      return () => {
        render(null, el);
      };
    }
  };
};
