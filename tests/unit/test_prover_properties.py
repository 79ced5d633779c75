"""What edits of a grant give and take, whoever made them, over histories of any kind."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.grants.parse import parse_grant
from pipeline.history.sources import Sources
from pipeline.history.subject_past import past
from pipeline.values.live import LiveGrant
from tests.unit.support_branch import PAYOUTS, REPORTS, Branch
from tests.unit.support_tiny_rules import BOB, grant

TEXTS = [
    grant(roles=roles, duration=duration, reason=reason)
    for roles in (("log-viewer",), ("table-reader",), ("log-viewer", "table-reader"))
    for duration in ("1h", "2h", "3h")
    for reason in ("Look at the deploy logs", "Another reason altogether")
]
EDITS = st.tuples(st.sampled_from(TEXTS), st.booleans())


def given_by(branch: Branch) -> LiveGrant | None:
    live = branch.stand().live
    return live[0] if live else None


def is_within(now: LiveGrant, before: LiveGrant) -> bool:
    fewer = set(now.grant.access) <= set(before.grant.access)
    return fewer and now.window.end <= before.window.end


@settings(max_examples=60)
@given(st.sampled_from(TEXTS), st.lists(EDITS, min_size=1, max_size=5))
def test_a_push_never_gives_more_and_a_sum_never_counts_less_than_is_given(
    first: str, edits: list[tuple[str, bool]]
) -> None:
    branch = Branch()
    branch.bring({PAYOUTS: first}, approved_by=[BOB])
    for text, asked in edits:
        before = given_by(branch)
        if branch.git.files(branch.tip)[PAYOUTS].content.decode() == text:
            continue
        if asked:
            branch.bring({PAYOUTS: text}, approved_by=[BOB])
        else:
            branch.push({PAYOUTS: text})
        now = given_by(branch)
        assert now is not None
        assert before is not None
        assert asked or is_within(now, before)
        other = parse_grant(grant().encode(), path=REPORTS).grant
        assert other is not None
        history = branch.git.mainline(branch.tip, since=branch.anchor)
        told = past(Sources(branch.git), other, history, now=branch.now).lives
        for line in now.grant.access:
            held = [one.window for one in told if one.role.endswith(f"/{line.role}")]
            assert max(window.end for window in held) >= now.window.end
