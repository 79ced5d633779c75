"""The evaluators can say yes as well as no, in every cloud."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.e2e.support_world import Acme, grant

CASES = [
    ("gcp/sandbox-dev", "log-viewer", ()),
    ("gcp/sandbox-dev", "bigquery-reader", ("bob",)),
    ("azure/sandbox-dev", "reader", ()),
    ("aws/sandbox-dev", "s3-logs-reader", ()),
    ("aws/sandbox-dev", "rds-reader", ("bob",)),
]


@pytest.mark.parametrize("target,role,approvers", CASES)
def test_a_grant_gives_its_subject_what_it_names_until_its_end_and_nobody_else(
    acme: Acme, target: str, role: str, approvers: tuple[str, ...]
) -> None:
    assert not acme.may("alice", target, role)
    acme.landed("alice", "alice/one", grant(access=[f"{target} {role}"]), *approvers)
    applied = acme.apply()
    assert applied.code == 0, applied
    assert acme.held() == [("alice", target, role)]
    acme.later(minutes=11)
    assert acme.may("alice", target, role)
    assert not acme.may("mallory", target, role)
    assert not acme.may("alice", target, role, in_=timedelta(hours=2))
