import { render, type VNode } from 'preact';

import type { IKernelModel } from './link';

/** What anywidget calls. */
export interface IWidget<T extends object> {
  initialize(options: { model: IKernelModel<T> }): () => void;
  render(options: { model: IKernelModel<T>; el: HTMLElement }): () => void;
}

/** Return the anywidget of a view: one room for each model, which all its views on the page show. */
export function widgetOf<T extends object, R extends { close(): void }>(
  make: (model: IKernelModel<T>) => R,
  view: (room: R) => VNode
): () => IWidget<T> {
  return () => {
    let room: R;
    return {
      initialize({ model }) {
        room = make(model);
        return () => {
          room.close();
        };
      },
      render({ el }) {
        el.classList.add('jp-RtmsgWidget');
        render(view(room), el);
        return () => {
          render(null, el);
        };
      }
    };
  };
}
