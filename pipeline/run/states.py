"""The states of grants after a run, and the exit code of the run.

A grant is *provisioned* once every binding that it asks for is there as it should be,
*rolled-back* when a part could not be made and the others were taken back, *ended* once it
was provisioned before and nothing of it is wanted or held any more, and *missed* when its time was
over before a run could give anything of it. For example, of a grant over
two clouds:

    both bindings listed as desired            provisioned
    one binding missing                        no new state; the next run goes on
    one refused, the other taken back          rolled-back
    file deleted, one binding still listed     no new state; the next run removes it
    file deleted, nothing listed               ended
    file deleted, a target cannot be listed    no new state: gone means read back as gone
    its time over before any run came          missed: nothing was given
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pipeline.history.proofs import LifeKey
from pipeline.provision.apply import Outcome
from pipeline.provision.verify import Drift, Estate
from pipeline.record.recorded import ENDED, MISSED, PROVISIONED, ROLLED_BACK
from pipeline.run.situation import Situation
from pipeline.values.ids import GrantId

_NEVER = datetime.min.replace(tzinfo=UTC)


def grant_states(
    situation: Situation, after: Estate, rolled_back: frozenset[GrantId]
) -> dict[LifeKey, str]:
    """Returns the states to tell and to record, seen from what the clouds hold *after* the run.

    These are the states that changed, and those whose pull request was not told yet.
    """
    recorded = situation.recorded
    new = {
        **_reached(situation, after, rolled_back),
        **_ended(situation, after),
        **_missed(situation, after),
    }
    untold = {key: recorded.states[key] for key in recorded.untold}
    changed = {key: state for key, state in new.items() if recorded.states.get(key) != state}
    return {**untold, **changed}


def provisioned_versions(
    situation: Situation, after: Estate, outcome: Outcome
) -> dict[LifeKey, Mapping[str, str]]:
    """Returns the proven version (`commit`) and the text in force (`blob`) of each grant that is
    provisioned in full now."""
    facts = situation.proof_facts()
    return {
        key: {name: facts[GrantId(key[0])][name] for name in ("blob", "commit")}
        for key, state in _reached(situation, after, outcome.incomplete).items()
        if state == PROVISIONED and facts.get(GrantId(key[0]), {}).get("blob")
    }


def changed_versions(
    situation: Situation, versions: Mapping[LifeKey, Mapping[str, str]]
) -> dict[LifeKey, str]:
    """Returns the state of the grants that are provisioned in another of *versions* than was told
    last: extended, widened or narrowed since."""
    told = situation.recorded.told
    return {
        key: PROVISIONED
        for key, said in versions.items()
        if key in told and told[key] != said["commit"]
    }


def newer_versions(
    situation: Situation, versions: Mapping[LifeKey, Mapping[str, str]], outcome: Outcome
) -> tuple[LifeKey, ...]:
    """Returns the grants that are provisioned in one of *versions* that the record does not name,
    although this run wrote nothing for them: the removals lane had made it so.

    Against the version that it names, a later one would count as asked for.
    """
    written = {grant for result in outcome.results for grant in result.change.grants}
    recorded = situation.recorded
    return tuple(
        key
        for key, said in versions.items()
        if (grant := GrantId(key[0])) not in written
        and (recorded.blobs.get(grant), recorded.commits.get(grant))
        != (said["blob"], said["commit"])
    )


def _reached(
    situation: Situation, after: Estate, rolled_back: frozenset[GrantId]
) -> dict[LifeKey, str]:
    """Grants that are provisioned in full, or were taken back."""
    held = {binding.identity: binding.document for binding in after.bindings}
    parts: dict[GrantId, list[bool]] = {}
    for binding in situation.desired_without(situation.waiting.keys() | rolled_back):
        for grant in binding.grants:
            there = held.get(binding.identity) == binding.document
            parts.setdefault(grant, []).append(there)
    deferred = {one.grant for one in situation.desired.deferred}
    key = situation.branch.life_key
    return {
        **{
            key(grant): PROVISIONED
            for grant, there in parts.items()
            if all(there) and grant not in deferred
        },
        **{key(grant): ROLLED_BACK for grant in rolled_back},
    }


def _ended(situation: Situation, after: Estate) -> dict[LifeKey, str]:
    """Grants that were provisioned, and of which nothing is wanted or held any more."""
    if after.unreachable:
        return {}
    undecided = situation.branch.undecided.keys()
    # One that waits for another's end, or that its cloud cannot carry, has not ended by that.
    wanted = {one.grant.id for one in situation.branch.live if not one.window.ended(situation.now)}
    serving = {grant for binding in after.bindings for grant in binding.grants}
    serving |= {grant for made in situation.unlisted(after) for grant in made.grants}
    return {
        key: ENDED
        for key, state in situation.recorded.states.items()
        if state == PROVISIONED and GrantId(key[0]) not in wanted | serving | undecided
    }


def _missed(situation: Situation, after: Estate) -> dict[LifeKey, str]:
    """Grants whose time is over, and of which no run gave anything, or may have."""
    if after.unreachable:
        return {}
    branch, recorded = situation.branch, situation.recorded
    listed = (*situation.listed_first, *situation.estate.bindings, *after.bindings)
    held = {grant for binding in listed for grant in binding.grants}
    # Why nothing came of these was told already.
    told = {path for path, _ in recorded.alerts} | {one.path for one in branch.quarantined}
    return {
        key: MISSED
        for life in branch.lapsed
        if life.id not in held
        and life.path not in told
        and (key := branch.life_key(life.id)) not in recorded.states
        # A run that was killed in between may have given something.
        and recorded.tried.get(life.id, _NEVER) < life.added.committed_at
    }


def missing_grants(situation: Situation, after: Estate) -> tuple[GrantId, ...]:
    """Returns the proven live grants of which something is not there as it should be, sorted."""
    held = {binding.identity: binding.document for binding in after.bindings}
    return tuple(
        sorted(
            {
                grant
                for binding in situation.desired.bindings
                if held.get(binding.identity) != binding.document
                for grant in binding.grants
            }
        )
    )


def exit_code(situation: Situation, outcome: Outcome, drift: Sequence[Drift], after: Estate) -> int:
    """Returns 0 where the clouds hold what the default branch says, 1 where they do not, and 3
    where a target could not be listed, before or *after* the writes."""
    undecided = 3 if any(one.undecided for one in situation.branch.unproven) else 0
    if code := max(situation.estate.code, after.code, undecided):
        return code
    wanted = {(binding.target, binding.key) for binding in situation.desired.bindings}
    left = [one for one in situation.unlisted(after) if (one.target, one.key) not in wanted]
    quiet = outcome.converged and not (
        left
        or drift
        or situation.dispute
        or situation.branch.unproven
        or situation.alarms
        or situation.desired.refused
    )
    return 0 if quiet else 1
