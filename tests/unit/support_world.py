"""What a run works on, in memory: clouds that may fail, the record, and GitHub."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pipeline.clouds.interface import Foreign, Observation, Result, Status
from pipeline.errors import Denied, ForgeError, Incomplete, PipelineError, RefMoved
from pipeline.record.chain import read_chain
from pipeline.record.vouch import Signature
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.catalogue import Target, Team
from pipeline.values.ids import Cloud
from pipeline.values.pull_request import Actor, Comment, PullFile, PullRequest, Push
from tests.unit.support_values import NOON


class Killed(BaseException):
    """The process ends here: no handler of ours sees it."""


class Effects(list[str]):
    """What was read and written, in order; a process can be killed around every write."""

    def __init__(self) -> None:
        super().__init__()
        self.kill_at: int | None = None
        """The point at which the process ends: two around every write, counted from zero."""

        self.points = 0
        """The points so far."""

    @contextmanager
    def effect(self, text: str) -> Iterator[None]:
        """Around a write: before it has taken effect, and after."""
        self._pass()
        self.append(text)
        yield
        self._pass()

    def _pass(self) -> None:
        self.points += 1
        if self.kill_at is not None and self.points > self.kill_at:
            # The process is gone: its other threads write nothing more either.
            raise Killed


KEEPER = Actor(id=500, login="keeper[bot]", type="Bot")
STRANGER = Actor(id=66, login="mallory", type="User")


class Cloudlet:
    """A cloud: reader and writer. How it behaves in which target, its world says."""

    def __init__(self, cloud: Cloud, world: Any) -> None:
        self.cloud = cloud
        self.held: dict[tuple[str, str, str], Binding] = {}
        self.foreign: tuple[Foreign, ...] = ()
        self._world = world
        self._old: dict[str, list[list[Binding]]] = {}
        """By target, what its next listings show in place of what is held."""

    @classmethod
    def each(cls, world: Any) -> list[Cloudlet]:
        return [cls(cloud, world) for cloud in Cloud]

    def observe(self, targets: Sequence[Target], *, now: datetime) -> Observation:
        self._world.done.append(f"list {self.cloud}")
        down = {one.id: self._world.down[one.id] for one in targets if one.id in self._world.down}
        asked = {one.id for one in targets} - down.keys() - self._world.hides
        held = [
            one
            for target in sorted(asked)
            for one in (self._old[target].pop() if self._old.get(target) else self._of(target))
        ]
        return Observation(
            cloud=self.cloud,
            bindings=tuple(held),
            foreign=tuple(one for one in self.foreign if one.target in asked),
            unreachable=tuple(sorted(down.items())),
            refused=frozenset(down.keys() & self._world.closed),
        )

    def _of(self, target: str) -> list[Binding]:
        return [one for _, one in sorted(self.held.items()) if one.target == target]

    def write(
        self, changes: Sequence[BindingChange], *, clock: Callable[[], datetime]
    ) -> tuple[Result, ...]:
        for target in {change.binding.target for change in changes}:
            self._old[target] = [self._of(target)] * self._world.lags.get(target, 0)
        results = tuple(self._write(change) for change in changes)
        self._world.down.update(self._world.goes_down)
        return results

    def _write(self, change: BindingChange) -> Result:
        target = change.binding.target
        with self._world.done.effect(f"{change.kind} {target} {'+'.join(change.binding.grants)}"):
            return self._take_effect(change)

    def _take_effect(self, change: BindingChange) -> Result:
        world, target = self._world, change.binding.target
        gone = change.kind is ChangeKind.DELETE
        if target in (world.keeps if gone else world.refuses):
            return Result(
                change=change,
                status=Status.FAILED,
                message=(world.keeps if gone else world.refuses)[target],
            )
        if target in world.delays:
            return Result(change=change, status=Status.PENDING, message=world.delays[target])
        if target not in world.ignores:
            if gone:
                self.held.pop(change.binding.identity, None)
            else:
                # What a line asks for in detail, a cloud does not list.
                self.held[change.binding.identity] = replace(change.binding, parameters=None)
        return Result(change=change, status=Status.DONE)


class Record:
    """The audit branch."""

    def __init__(self, done: Effects) -> None:
        self.files: dict[str, bytes] = {}
        self.messages: list[str] = []
        self.refuses: str | None = None
        """What begins so cannot be appended."""

        self.silent = False
        """Whether it cannot be read."""

        self.silence: PipelineError = ForgeError("502")
        """What reading it raises then."""

        self._done = done

    @property
    def head(self) -> str | None:
        return f"{len(self.messages):040x}" if self.messages else None

    @property
    def events(self) -> tuple[Mapping[str, Any], ...]:
        """What it says, as far as it holds."""
        return read_chain(self.files).events

    def load(self) -> tuple[str | None, Mapping[str, bytes]]:
        if self.silent:
            raise self.silence
        return self.head, dict(self.files)

    def load_from_git(self) -> tuple[str | None, Mapping[str, bytes]]:
        return self.load()

    def append(self, files: Mapping[str, str], message: str, *, parent: str | None) -> str:
        if self.refuses is not None and message.startswith(self.refuses):
            raise ForgeError("the audit branch is protected")
        if parent != self.head:
            raise RefMoved("it moved")
        assert not files.keys() & self.files.keys()
        with self._done.effect(message.partition("\n")[0]):
            self.files.update({path: text.encode() for path, text in files.items()})
            self.messages.append(message)
        return f"{len(self.messages):040x}"

    def cut(self) -> None:
        """Takes the last batch off, as somebody could who may push."""
        del self.files[sorted(self.files)[-1]]
        self.messages.pop()


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A pull request that the keeper opened."""

    branch: str
    base: str
    base_sha: str
    title: str
    body: str
    delete: tuple[str, ...] = ()
    write: Mapping[str, str] = field(default_factory=dict)


class Forge:
    """GitHub, read and written."""

    def __init__(self, record: Record, done: Effects) -> None:
        self.comments_on: dict[int, dict[str, str]] = {}
        """Those of the keeper by pull request and marker."""

        self.others_on: dict[int, list[str]] = {}
        """Those of a stranger."""

        self.silent: set[int] = set()
        """Pull requests that cannot be commented on now."""

        self.talkative: set[int] = set()
        """Pull requests with more comments than are read."""

        self.opened: dict[int, Opened] = {}
        self.others: dict[int, tuple[PullRequest, Opened]] = {}
        """Open pull requests that the keeper did not open by itself."""

        self.closed = False
        """Whether no pull request can be opened."""

        self.endless: set[int] = set()
        """Pull requests with more files than are listed."""

        self.contradicted: set[int] = set()
        """Pull requests with another number of files than are listed."""

        self.unlisted = ""
        """Why open pull requests cannot be listed; empty where they can."""

        self.pushed: tuple[str, ...] = ()
        self.brought: dict[str, int] = {}
        """Commits to the pull requests whose merge made them."""

        """What the default branch was set to within the last month, oldest first."""

        self.fails: ForgeError | None = None
        """What asking about the default branch raises."""

        self.teams: dict[str, set[int]] = {}
        self.signed = True
        """Whether the record's commits are signed by GitHub."""

        self.asked: list[str] = []
        """Commits of the record whose origin was asked for."""

        self.author = KEEPER.id
        """Whose the record's commits are."""

        self._record = record
        self._done = done

    def told(self, number: int) -> str:
        """Returns the keeper's comment on a pull request, which is at most one."""
        (body,) = self.comments_on.get(number, {"": ""}).values()
        return body

    def write_as(self, who: str) -> Forge:
        assert who == "keeper", "the checker writes nothing here"
        return self

    def comment(self, number: int, *, marker: str, body: str, bot_id: int) -> int:
        if number in self.silent:
            raise ForgeError("502")
        if number in self.talkative:
            raise Denied("GitHub's list has more than 100 pages")
        with self._done.effect(f"comment on #{number}"):
            self.comments_on.setdefault(number, {})[marker] = body
        return 1

    def comments(self, number: int) -> tuple[Comment, ...]:
        ours = [(KEEPER, body) for body in self.comments_on.get(number, {}).values()]
        others = [(STRANGER, body) for body in self.others_on.get(number, ())]
        gone = [(None, body) for _, body in others]
        return tuple(
            Comment(id=place, author=author, body=body, updated_at=NOON)
            for place, (author, body) in enumerate([*ours, *others, *gone])
        )

    def open_pull(self, branch: str, **fields: Any) -> int:
        if self.closed:
            raise ForgeError("502")
        number = 900 + len(self.opened)
        with self._done.effect(f"open #{number}"):
            self.opened[number] = Opened(branch=branch, **fields)
        return number

    def open_pulls(self, *, base: str) -> tuple[PullRequest, ...]:
        if self.unlisted:
            raise Denied(self.unlisted)
        return (
            *(pull for pull, _ in self.others.values()),
            *(
                a_pull(number, KEEPER, one.branch)
                for number, one in self.opened.items()
                if one.base == base
            ),
        )

    def files(self, number: int) -> tuple[PullFile, ...]:
        if number in self.contradicted:
            raise Incomplete(f"#{number} changes 2 files, GitHub lists 1")
        if number in self.endless:
            raise Denied(f"#{number} changes 3000 files")
        one = self.others[number][1] if number in self.others else self.opened[number]
        return (
            *(PullFile(path=path, status="removed", blob="b" * 40) for path in one.delete),
            *(PullFile(path=path, status="added", blob="b" * 40) for path in one.write),
        )

    def pulls_of_commit(self, sha: str) -> tuple[PullRequest, ...]:
        if self.fails is not None:
            raise self.fails
        if sha not in self.brought:
            return ()
        pull = PullRequest(
            number=self.brought[sha],
            author=STRANGER,
            state="closed",
            base_ref="main",
            head_ref="request",
            head_sha=sha[::-1],
            same_repository=True,
            merged_at=NOON,
            merge_commit_sha=sha,
        )
        return (pull,)

    def pushes(self, branch: str, *, merged_since: datetime) -> tuple[Push, ...]:
        if self.fails is not None:
            raise self.fails
        return tuple(Push(sha=sha, at=NOON, by=STRANGER) for sha in self.pushed)

    def signatures(self, head: str) -> Iterator[Signature]:
        messages = self._record.messages
        for number in range(len(messages), 0, -1):
            self.asked.append(f"{number:040x}")
            yield Signature(
                sha=f"{number:040x}",
                parents=(f"{number - 1:040x}",) if number > 1 else (),
                author=self.author,
                committer=self.author,
                signed=self.signed,
                message=messages[number - 1],
            )

    def shows_team(self, team: Team) -> bool:
        return team.slug in self.teams

    def in_team(self, team: Team, actor: Actor) -> bool:
        return actor.id in self.teams.get(team.slug, ())

    def merge_made(self, sha: str) -> bool:
        return False


def a_pull(number: int, author: Actor | None, branch: str) -> PullRequest:
    return PullRequest(
        number=number,
        author=author,
        state="open",
        base_ref="main",
        head_ref=branch,
        head_sha="c" * 40,
        same_repository=True,
    )
