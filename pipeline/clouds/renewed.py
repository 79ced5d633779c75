"""Says what this release makes of what an earlier one made, from what a cloud lists alone."""

from __future__ import annotations

from pipeline.values.binding import Binding
from pipeline.values.ids import Cloud


def renewed(held: Binding) -> str:
    """Returns the document that this release writes for a binding that is *held* as an earlier
    release made it; its own document where nothing is to be done.

    Nothing here gives access: the change adds what only denies.
    """
    if held.cloud is not Cloud.AWS:
        return held.document
    from pipeline.clouds.aws.observed import guarded

    return guarded(held)
