"""Finds out who asks, for whom, and which teams they are in, for one pull request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.approvals.pushers import Contributed, every_push, pushers_of, refuse_bots
from pipeline.policy.question import Requester

if TYPE_CHECKING:
    from pipeline.approvals.membership import Membership
    from pipeline.policy.engine import PolicyBundle
    from pipeline.values.catalogue import Catalogue, Entitlement, Principal
    from pipeline.values.pull_request import Actor, ForgeReader, PullRequest


class Askers:
    """The people of one pull request."""

    def __init__(
        self,
        forge: ForgeReader,
        pull: PullRequest,
        catalogue: Catalogue,
        bundle: PolicyBundle,
        *,
        membership: Membership,
        app_id: int | None,
        contributed: Contributed = every_push,
    ) -> None:
        """*app_id* is the account id of the App that may ask for less access, *contributed* leaves
        of the pushes to the branch those that put something there."""
        self._forge = forge
        self._pull = pull
        self._catalogue = catalogue
        self._membership = membership
        self._named = teams_named(bundle.data.get("settings"))
        self._app_id = app_id
        self._contributed = contributed

    def author(self, entitlements: Sequence[Entitlement] = ()) -> Requester:
        """Returns the one who opened the pull request."""
        return self._requester(self._pull.author, entitlements)

    def others(self, entitlements: Sequence[Entitlement]) -> tuple[Requester, ...]:
        """Returns everyone else who pushed something of it: they ask too where the author's word
        alone merges.

        Whoever can write can push to another's branch. A say in a grant, or the App's, must
        not carry what a stranger put there: each of them is judged as if asking alone. Raises
        `Denied` where a bot is among them, as nobody can tell who wrote what it pushed.
        """
        pushers = pushers_of(self._forge, self._pull, self._contributed)
        others = [actor for actor in pushers if actor != self._pull.author]
        refuse_bots(self._pull, others)
        return tuple(self._requester(actor, entitlements) for actor in others)

    def subject_teams(self, subject: Principal | None) -> frozenset[str]:
        """The teams named in the settings that *subject* is an active member of, now.

        A login can change hands: it is read anew by the id. A workload is in no team.
        """
        if subject is None or subject.github_id is None:
            return frozenset()
        author = self._pull.author
        known = author is not None and author.id == subject.github_id
        actor = author if known else self._forge.account(subject.github_id)
        return frozenset() if actor is None else self._membership.teams_of(actor, self._named)

    def _requester(self, actor: Actor | None, entitlements: Sequence[Entitlement]) -> Requester:
        if actor is None:
            return Requester(actor=None, principal=None)
        person = self._catalogue.person(actor.id)
        owners = {team for line in entitlements for team in line.target.owners}
        return Requester(
            actor=actor,
            principal=person.name if person else None,
            teams=self._membership.teams_of(actor, owners | self._named),
            is_app=self._app_id is not None and actor.id == self._app_id,
        )


def names_teams(key: str) -> bool:
    """Whether the list under *key* of the settings names teams."""
    return key == "teams" or key.endswith("_teams")


def teams_named(settings: Any) -> frozenset[str]:
    """Returns every team that *settings* name: texts in lists called `teams` or `…_teams`.

    Who asks and who would get access is or is not in one of these: a fact that policies get.
    """
    found: set[str] = set()
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            if names_teams(str(key)) and isinstance(value, list):
                found |= {team for team in value if isinstance(team, str)}
            else:
                found |= teams_named(value)
    elif isinstance(settings, list):
        for value in settings:
            found |= teams_named(value)
    return frozenset(found)
