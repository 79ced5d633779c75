"""Pushers behind whom nobody knows who wrote what they pushed."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.errors import Denied
from pipeline.values.pull_request import Actor, PullRequest

DEPENDABOT = 49699333
"""Account id of `dependabot[bot]`: https://api.github.com/users/dependabot%5Bbot%5D."""


def refuse_bots(
    pull: PullRequest, pushers: Collection[Actor], *, app_id: int | None = None
) -> None:
    """Raises `Denied` where a bot pushed to the branch of *pull*.

    Any branch's workflow can push as `github-actions[bot]` what a person wrote, who could then
    approve it. For example, of who pushed to a pull request's branch:

        alice                                   fine: it is hers
        alice, github-actions[bot]              refused: anybody may have written it
        our App, on a pull request of its own   fine: *app_id* is its account
        Dependabot alone, on one of its own     fine: it writes versions that it looked up
        Dependabot and alice                    refused: she can make it push
    """
    author = pull.author.id if pull.author else None
    for bot in sorted(one for one in pushers if one.type != "User"):
        own = bot.id == author
        if own and bot.id == app_id:
            continue
        if own and bot.id == DEPENDABOT and len({one.id for one in pushers}) == 1:
            continue
        raise Denied(
            f"{bot.login}, a bot, pushed to {pull.head_ref}, so nobody can tell who wrote that",
            hint="open it again from a branch of your own, to which no bot pushes",
        )
