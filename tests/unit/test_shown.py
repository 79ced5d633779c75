"""What reviewers are shown of a request: everything, or it is denied."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.forge.github_write import BODY_CAP, shortened
from pipeline.judge.decide import Decision, Verdict
from pipeline.judge.shown import MOST_SHOWN, escape, shown_lines
from pipeline.output.markdown import check_comment
from tests.unit.support_branch import PAYOUTS, Branch, quarantined
from tests.unit.support_tiny_rules import ALICE, BOB, START, TABLES, grant

ALICE_FILE = "access/principals/alice.yaml"


def organisation(actions: int) -> Branch:
    """A branch with a role of AWS that allows so many actions on one machine."""
    listed = ", ".join(f"ec2:Describe{number:04d}ABCDEFGHIJKLMNOP" for number in range(actions))
    return Branch(
        {
            "access/targets/aws.yaml": (
                'prod: {account: "111122223333", environment: prod, owners: [leads]}\n'
            ),
            "access/roles/aws.yaml": (
                "many:\n  title: Many\n  risk: medium\n  max_duration: 8h\n"
                '  parameters: {resource: "i-[0-9]+"}\n  permissions:\n    mechanism: role\n'
                f"    actions: [{listed}]\n"
                '    resources: ["arn:aws:ec2:*:{account}:instance/{resource}"]\n'
            ),
            ALICE_FILE: START[ALICE_FILE].rstrip("\n")
            + '\n  aws: {arn: "arn:aws:iam::111122223333:user/alice"}\n',
        }
    )


def asking(lines: int) -> str:
    """A grant of that role on so many machines, and last of something else."""
    listed = "".join(
        f"  - {{target: aws/prod, role: many, resource: i-{number:04d}}}\n"
        for number in range(lines)
    )
    last = "  - {target: gcp/prod, role: table-reader}\n"
    return f"{TABLES.partition('access:')[0]}access:\n{listed}{last}"


def test_what_cannot_be_shown_whole_is_denied_with_the_way_out() -> None:
    branch = organisation(140)
    number = branch.propose({PAYOUTS: asking(18)})
    found = branch.assess(number)
    assert found.decision.verdict is Verdict.INVALID
    (problem,) = found.problems
    assert (problem.path, problem.code) == (PAYOUTS, "too-much-to-show")
    assert "split it into several grants" in problem.message
    branch.show(number)
    branch.review(number, BOB)
    branch.merge(number)
    assert "split it into several grants" in quarantined(branch.stand())[PAYOUTS]


def test_what_is_shown_whole_stands_before_anything_that_may_be_cut() -> None:
    branch = organisation(140)
    found = branch.assess(branch.propose({PAYOUTS: asking(7)}))
    assert not found.problems
    (item,) = found.items
    whole = "\n".join(shown_lines(item))
    assert MOST_SHOWN * 0.7 < len(whole) <= MOST_SHOWN
    for reasons in (("short",), ("@" * 400,) * 300):
        said = replace(found, decision=Decision(verdict=Verdict.WAITING, reasons=reasons))
        cut = shortened(check_comment(said), BODY_CAP - 100)
        assert whole in cut
        assert cut.startswith("### ⏳ Waiting for approval")
        assert ("Cut here" in cut) == (len(reasons) > 1)


def test_less_access_is_never_too_much_to_show() -> None:
    branch = organisation(140)
    text = asking(18)
    branch.bring({PAYOUTS: grant()})
    assert branch.assess(branch.propose({PAYOUTS: None}, author=ALICE)).problems == ()
    assert branch.assess(branch.propose({PAYOUTS: text}, author=ALICE)).problems != ()


@pytest.mark.parametrize("text", ["@bob", "#1", "https://example.com", "<b>", "a|b"])
def test_what_a_requester_wrote_pings_nobody_and_draws_nothing(text: str) -> None:
    assert text not in escape(text)
