"""Those who pushed what a pull request brings, and bots behind whom nobody knows who wrote it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from pipeline.errors import Denied
from pipeline.values.pull_request import Actor, ForgeReader, PullRequest, Push

DEPENDABOT = 49699333
"""Account id of `dependabot[bot]`: https://api.github.com/users/dependabot%5Bbot%5D."""

Contributed = Callable[[Sequence[Push]], Sequence[Push]]
"""Returns the pushes, of all to one branch, that put something of the pull request there."""


def every_push(pushes: Sequence[Push]) -> Sequence[Push]:
    """Returns all *pushes*, where it is not known which of them put nothing there."""
    return pushes


def pushers_of(
    reader: ForgeReader, pull: PullRequest, contributed: Contributed
) -> tuple[Actor, ...]:
    """Returns who pushed what *pull* brings, sorted, each once.

    Raises `Denied` where one of them is gone, `ForgeError` where the forge did not answer in full.
    """
    pushes = reader.pushes_to(pull.head_ref, until=pull.merged_at, head=pull.head_sha)
    # Most branches are pushed to by their author alone.
    if any(one.by != pull.author for one in pushes):
        pushes = tuple(contributed(pushes))
    found: set[Actor] = set()
    for push in pushes:
        if push.by is None:
            # It stays gone: as an outage it would stop every later run, removals included.
            raise Denied(
                f"an account that is gone pushed {push.sha[:7]} to {pull.head_ref}",
                hint="push the branch under a new name",
            )
        found.add(push.by)
    return tuple(sorted(found))


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
