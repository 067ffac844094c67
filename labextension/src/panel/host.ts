import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { render, type VNode } from 'preact';

/** A widget of JupyterLab that shows a Preact view while it is attached. */
export abstract class PreactWidget extends Widget {
  /** Return the view. It is rendered again after `update()`; its hooks do what else is needed. */
  protected abstract view(): VNode;

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.draw();
  }

  protected override onUpdateRequest(message: Message): void {
    super.onUpdateRequest(message);
    this.draw();
  }

  protected override onBeforeDetach(message: Message): void {
    super.onBeforeDetach(message);
    render(null, this.node);
  }

  private draw(): void {
    if (this.isAttached) {
      render(this.view(), this.node);
    }
  }
}
