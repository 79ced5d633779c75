"""Shortens what a cloud holds, from what it lists alone: no catalogue, no grant.

For example, of a binding that holds from 12:00 to 16:00:

    end 14:00                                  the same, from 12:00 to 14:00
    end 16:00 or later, 12:00 or earlier       None: nothing would be shortened
    listed without an end, altered by hand     None: what it says is not ours to say again
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pipeline.values.binding import Binding
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud


def shortened(held: Binding, end: datetime) -> Binding | None:
    """Returns the binding that is *held* as it is with an earlier *end*, of whole seconds.

    Returns None where it would not be shorter, or its object is not of the form that is made.
    """
    if held.window is None or not held.window.start < end < held.window.end:
        return None
    window = Window(start=held.window.start, end=end)
    document = _document(held, window)
    return None if document is None else replace(held, window=window, document=document)


def _document(held: Binding, window: Window) -> str | None:
    match held.cloud:
        case Cloud.AWS:
            from pipeline.clouds.aws import observed as aws

            return aws.until(held, window.end)
        case Cloud.GCP:
            from pipeline.clouds.gcp import binding as gcp

            return gcp.until(held, window)
        case Cloud.AZURE:
            from pipeline.clouds.azure import binding as azure

            return azure.until(held, window.end)
