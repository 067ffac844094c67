"""How a cell shows a widget: the widget, and beside it the static picture."""

from __future__ import annotations

from typing import Any

from IPython.display import display

from .snapshot import Snapshot


def show(bundle: Any, snapshot: Snapshot) -> None:
    """Show a widget and its picture, as two outputs of the present cell.

    Parameters
    ----------
    bundle : dict or tuple
        What the widget's `_repr_mimebundle_` returned.
    snapshot : Snapshot
        It is kept up to date from then on.
    """
    output: Any = display
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle, None)
    output(data, metadata=metadata, raw=True)
    snapshot.shown(output(snapshot.picture(), display_id=True))
