"""The results of proving the default branch: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pipeline.history.lives import Life, grant_id, is_grant
from pipeline.history.proofs import LifeKey, Proof
from pipeline.policy.question import Previous
from pipeline.reading.yaml_strict import visible
from pipeline.values.catalogue import Entitlement
from pipeline.values.grant import Grant, window_of
from pipeline.values.ids import GrantId
from pipeline.values.live import LiveGrant


@dataclass(frozen=True, kw_only=True, slots=True)
class Proven(Previous):
    """The last proven version of a grant, less what was taken off since, and what it gives."""

    commit: str
    """The one that brought it, or took off the last of it."""

    entitlements: tuple[Entitlement, ...]
    """One for each line of access, in its order: as the catalogue had it when access was last
    asked for. Narrowing keeps them, so that it never brings what a role has come to hold since.
    """

    @property
    def live(self) -> LiveGrant:
        """The grant as it is while its window lasts."""
        return LiveGrant(grant=self.grant, window=self.window, entitlements=self.entitlements)

    def narrowed(self, grant: Grant, *, commit: str) -> Proven:
        """Returns what is left of this version after *commit*, which made it *grant*."""
        return replace(
            self,
            commit=commit,
            grant=grant,
            window=window_of(grant, merged_at=self.window.start),
            entitlements=self.left_by(grant),
        )

    def left_by(self, grant: Grant) -> tuple[Entitlement, ...]:
        """Returns those that *grant*, which narrows this version, leaves."""
        known = dict(zip(self.grant.access, self.entitlements, strict=True))
        return tuple(known[line] for line in grant.access)


@dataclass(frozen=True, kw_only=True, slots=True)
class Brought:
    """The pull request and the logins that brought a commit to the default branch, by GitHub."""

    pull: int | None = None
    """None where no pull request did, or it is not known which."""

    author: str | None = None
    """Who opened the pull request; None where that is not known."""

    merger: str | None = None
    """Who merged it, or pushed the commit; None where that is not known."""

    def __str__(self) -> str:
        by = self.merger or "an unknown account"
        if self.pull is None:
            return f"pushed by {by}"
        return f"#{self.pull} of {self.author or 'an unknown account'}, merged by {by}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Unproven:
    """Why a commit does not count."""

    commit: str
    reasons: tuple[str, ...]
    brought: Brought = Brought()
    undecided: bool = False
    """Whether git or GitHub did not answer about it: it may be proven on the next try."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quarantine:
    """Something on the default branch that is not applied, in words that print."""

    path: str
    commit: str
    reasons: tuple[str, ...]
    undecided: bool = False
    """Whether it may be proven on the next try: until then it is left as it is."""

    brought: Brought | None = None
    """Who brought it; None where nobody was asked."""

    def __post_init__(self) -> None:
        # Whoever pushes chooses the path: bytes that are no text, or a terminal's commands.
        object.__setattr__(self, "path", visible(self.path))
        object.__setattr__(self, "reasons", tuple(visible(reason) for reason in self.reasons))


@dataclass(frozen=True, kw_only=True, slots=True)
class BranchState:
    """The default branch at one moment: grants that are live, lapsed or quarantined."""

    tip: str
    live: tuple[LiveGrant, ...]
    """Proven, not past their end, subject not offboarded."""

    lapsed: tuple[Life, ...]
    """Still on the branch, past their end (or never proven and past it by their own dates)."""

    quarantined: tuple[Quarantine, ...]
    ungoverned: tuple[Quarantine, ...]
    """Unproven changes to policies, catalogue or workflows: while there are any, nothing is
    added."""

    proofs: Mapping[GrantId, tuple[Proof, ...]] = field(default_factory=dict)
    fresh: tuple[Proof, ...] = ()
    """Proofs made in this run, to be recorded."""

    lives: Mapping[GrantId, Life] = field(default_factory=dict)
    """The present life of every grant on the branch."""

    in_force: Mapping[GrantId, str] = field(default_factory=dict)
    """The commit that made each live grant what it gives: of one that was cut down by nobody with
    a say, that of the cut."""

    asked: Mapping[GrantId, Proven] = field(default_factory=dict)
    """Of each grant that nobody with a say cut down, or whose person nobody with a say let go: what
    somebody with a say last asked for, over or not."""

    reduced: frozenset[GrantId] = frozenset()
    """Grants of which later catalogues, which were proven, leave less than was asked for."""

    healed: tuple[Quarantine, ...] = ()
    """What would be quarantined, had not something that is proven, or the old text, followed."""

    @property
    def unproven(self) -> tuple[Quarantine, ...]:
        """Everything that is quarantined: grants, and what decides about them."""
        return (*self.quarantined, *self.ungoverned)

    @property
    def undecided(self) -> Mapping[GrantId, str]:
        """The grants about which nothing is decided in this run, with the reason."""
        return {
            grant_id(one.path): one.reasons[0]
            for one in self.quarantined
            if one.undecided and is_grant(one.path)
        }

    def life_key(self, grant: GrantId) -> LifeKey:
        """Returns what tells the present life of *grant* from others of the same path."""
        life = self.lives.get(grant)
        return (grant, life.added.sha if life else "")
