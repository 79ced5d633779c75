"""People, their reviews of one commit, and a forge that knows them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pipeline.errors import ForgeError
from pipeline.values.catalogue import Principal, PrincipalKind, Team
from pipeline.values.pull_request import (
    Actor,
    Checker,
    CheckRun,
    Comment,
    PullEvents,
    PullFile,
    PullRequest,
    Push,
    Review,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""When, by default, a check had shown what is asked for."""

CHECKER = Checker(name="daypass", app=77, account=600)
HEAD = "def5678" + "0" * 33
OLD = "abc1234" + "0" * 33
ALICE = Actor(id=1, login="alice", type="User")
BOB = Actor(id=2, login="bob", type="User")
CAROL = Actor(id=3, login="carol", type="User")


def review(
    author: Actor | None = BOB,
    state: str = "APPROVED",
    *,
    id: int = 1,
    commit: str | None = HEAD,
    minutes_ago: float = 10,
) -> Review:
    return Review(
        id=id,
        author=author,
        state=state,
        commit=commit,
        submitted_at=NOW - timedelta(minutes=minutes_ago),
    )


class Desk:
    """A forge that knows one pull request."""

    def __init__(
        self,
        reviews: Sequence[Review],
        *,
        pushers: Sequence[Actor] = (ALICE,),
        members: Mapping[str, set[int]] | None = None,
        writers: set[int] | None = None,
        accounts: Sequence[Actor] = (),
        hidden: Collection[str] = (),
        events: PullEvents | None = None,
    ) -> None:
        self._events = events or PullEvents()
        self._reviews = tuple(reviews)
        self._pushers = tuple(pushers)
        self._members = members or {}
        self._writers = {1, 2, 3} if writers is None else writers
        self._accounts = {actor.id: actor for actor in accounts}
        self._hidden = frozenset(hidden)
        self.asked: list[str] = []
        self.runs: tuple[CheckRun, ...] = ()

    def pull(self, number: int) -> PullRequest:
        raise ForgeError("not asked here")

    def pulls_of_commit(self, sha: str) -> tuple[PullRequest, ...]:
        raise ForgeError("not asked here")

    def files(self, number: int) -> tuple[PullFile, ...]:
        raise ForgeError("not asked here")

    def reviews(self, number: int) -> tuple[Review, ...]:
        return self._reviews

    def events(self, number: int) -> PullEvents:
        return self._events

    def pushes_to(
        self, branch: str, *, until: datetime | None = None, head: str | None = None
    ) -> tuple[Push, ...]:
        return tuple(Push(sha=HEAD, at=LONG_AGO, by=one) for one in self._pushers)

    def check_runs(self, sha: str, *, name: str, app: int) -> tuple[CheckRun, ...]:
        return self.runs

    def show(self, external_id: str, *, at: datetime = LONG_AGO) -> None:
        """Lets a check have shown an offer."""
        run = CheckRun(id=1, conclusion="failure", external_id=external_id, completed_at=at)
        self.runs = (*self.runs, run)

    def comments(self, number: int) -> tuple[Comment, ...]:
        return ()

    def account(self, number: int) -> Actor | None:
        self.asked.append(f"who {number} is")
        return self._accounts.get(number)

    def shows_team(self, team: Team) -> bool:
        return team.slug not in self._hidden

    def in_team(self, team: Team, actor: Actor) -> bool:
        self.asked.append(f"{actor.login} in {team.slug}")
        return actor.id in self._members.get(team.slug, set())

    def can_write(self, actor: Actor) -> bool:
        self.asked.append(f"{actor.login} writes")
        return actor.id in self._writers


def declared(*slugs: str) -> dict[str, Team]:
    """Returns teams with these slugs, as a catalogue declares them."""
    return {slug: Team(slug=slug, id=4711 + index, title=slug) for index, slug in enumerate(slugs)}


def person(name: str, number: int, **changes: object) -> Principal:
    values: dict[str, object] = {
        "name": name,
        "kind": PrincipalKind.PERSON,
        "github": name,
        "github_id": number,
    }
    return Principal(**{**values, **changes})  # type: ignore[arg-type]
