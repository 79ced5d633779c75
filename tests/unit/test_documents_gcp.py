"""What a Google Cloud project says for a grant, and how its policy is edited."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clouds.gcp.binding import (
    LEGACY_ROLES,
    NotGrantable,
    binding,
    expression,
    owner,
    same_account,
    window_in,
)
from pipeline.clouds.gcp.iam_policy import edit, holds, survey
from pipeline.errors import PipelineError, UsageError
from pipeline.values.binding import Binding, BindingChange, ChangeKind
from pipeline.values.canonical import canonical, digest
from pipeline.values.catalogue import (
    AwsPermissions,
    Entitlement,
    GcpIdentity,
    GcpPermissions,
    Mfa,
    Principal,
    PrincipalKind,
    Risk,
    Role,
    Target,
)
from pipeline.values.grant import Window
from pipeline.values.ids import Cloud, GrantId, RoleId, TargetId

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
WINDOW = Window(
    start=datetime(2026, 11, 20, 16, 0, tzinfo=UTC), end=datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
)
TARGET = Target(
    id=TargetId("gcp/payments-prod"),
    cloud=Cloud.GCP,
    name="payments-prod",
    locator="acme-payments-prod",
    environment="prod",
)
ROLE = Role(
    id=RoleId("gcp/log-viewer"),
    cloud=Cloud.GCP,
    name="log-viewer",
    title="Read logs",
    risk=Risk.LOW,
    max_duration=28800,
    permissions=GcpPermissions(role="roles/logging.viewer"),
)
ALICE = Principal(
    name="alice",
    kind=PrincipalKind.PERSON,
    github="alice",
    github_id=1001,
    gcp=GcpIdentity(member="user:alice@example.com"),
)
ENTITLEMENT = Entitlement(
    grant=GrantId("alice/2026-11-20-stuck-payouts"), principal=ALICE, target=TARGET, role=ROLE
)


def with_role(name: str) -> Entitlement:
    return replace(ENTITLEMENT, role=replace(ROLE, permissions=GcpPermissions(role=name)))


def with_member(member: str) -> Entitlement:
    return replace(ENTITLEMENT, principal=replace(ALICE, gcp=GcpIdentity(member=member)))


def entry(made: Binding) -> dict[str, Any]:
    said = json.loads(made.document)
    return {"role": said["role"], "members": [said["member"]], "condition": said["condition"]}


def create(made: Binding) -> BindingChange:
    return BindingChange(kind=ChangeKind.CREATE, binding=made)


def delete(made: Binding) -> BindingChange:
    return BindingChange(kind=ChangeKind.DELETE, binding=made)


class TestBinding:
    def test_it_says_who_may_what_from_when_until_when(self) -> None:
        made = binding(ENTITLEMENT, window=WINDOW)

        assert json.loads(made.document) == {
            "role": "roles/logging.viewer",
            "member": "user:alice@example.com",
            "condition": {
                "title": made.key,
                "description": "alice/2026-11-20-stuck-payouts",
                "expression": 'request.time >= timestamp("2026-11-20T16:00:00Z") && '
                'request.time < timestamp("2026-11-20T18:00:00Z")',
            },
        }
        assert made.identity == (Cloud.GCP, "acme-payments-prod", made.key)
        assert made.grants == (ENTITLEMENT.grant,)
        assert (made.principal, made.role, made.window) == ("alice", "log-viewer", WINDOW)

    def test_its_title_fits_and_carries_the_mark_of_its_grant(self) -> None:
        made = binding(ENTITLEMENT, window=WINDOW)

        assert len(made.key) <= 100
        assert made.key.startswith("daypass-" + digest(ENTITLEMENT.grant)[:24])
        assert owner(made.key, ENTITLEMENT.grant) == ENTITLEMENT.grant

    def test_its_key_does_not_depend_on_the_window(self) -> None:
        later = Window(start=WINDOW.start, end=WINDOW.end + timedelta(hours=1))
        first, second = binding(ENTITLEMENT, window=WINDOW), binding(ENTITLEMENT, window=later)

        assert first.key == second.key
        assert first.document != second.document

    def test_its_key_is_its_own_for_each_grant_target_role_and_member(self) -> None:
        others = [
            ENTITLEMENT,
            replace(ENTITLEMENT, grant=GrantId("alice/other")),
            replace(ENTITLEMENT, target=replace(TARGET, id=TargetId("gcp/other"))),
            replace(ENTITLEMENT, role=replace(ROLE, id=RoleId("gcp/logs-too"))),
            replace(ENTITLEMENT, parameters=(("resource", "a"),)),
            with_role("roles/browser"),
            with_member("user:bob@example.com"),
        ]
        keys = {binding(one, window=WINDOW).key for one in others}
        assert len(keys) == len(others)

    @pytest.mark.parametrize("role", sorted(LEGACY_ROLES))
    def test_roles_that_carry_no_condition_are_refused(self, role: str) -> None:
        with pytest.raises(NotGrantable, match="cannot carry a condition"):
            binding(with_role(role), window=WINDOW)

    @pytest.mark.parametrize(
        "role",
        ["", "viewer", "roles/", "roles/a b", "roles/x\n", "folders/1/roles/x", "projects/x/roles"],
    )
    def test_what_is_no_google_role_is_refused(self, role: str) -> None:
        with pytest.raises(NotGrantable, match="not the name of a Google role"):
            binding(with_role(role), window=WINDOW)

    @pytest.mark.parametrize(
        "role",
        ["roles/browser", "projects/acme-prod/roles/daypassOps", "organizations/123/roles/a.b_C"],
    )
    def test_predefined_and_custom_roles_are_granted(self, role: str) -> None:
        assert json.loads(binding(with_role(role), window=WINDOW).document)["role"] == role

    @pytest.mark.parametrize(
        "member",
        [
            "",
            "alice@example.com",
            "user:Alice@example.com",
            "user:alice@Example.com",
            "USER:alice@example.com",
            "serviceaccount:bot@p.iam.gserviceaccount.com",
            "group:sre@example.com",
            "domain:example.com",
            "allUsers",
            "allAuthenticatedUsers",
            "principal://iam.googleapis.com/x",
            "deleted:user:alice@example.com?uid=1",
            "user:alice@example.com?uid=1",
            "user:alice@example.com\n",
            "user:alice@localhost",
            "user:al ice@example.com",
            "user:аlice@example.com",
        ],
    )
    def test_members_other_than_people_and_service_accounts_are_refused(self, member: str) -> None:
        with pytest.raises(NotGrantable, match="not a person or a service account"):
            binding(with_member(member), window=WINDOW)

    @pytest.mark.parametrize(
        "member",
        ["user:o'brien+x@example.co.uk", "serviceAccount:bot@acme-prod.iam.gserviceaccount.com"],
    )
    def test_people_and_service_accounts_are_granted(self, member: str) -> None:
        assert json.loads(binding(with_member(member), window=WINDOW).document)["member"] == member

    def test_other_things_that_google_could_not_hold_are_refused(self) -> None:
        elsewhere = replace(ROLE, permissions=AwsPermissions(actions=("*",), resources=("*",)))
        for wrong, why in [
            (replace(ENTITLEMENT, role=elsewhere), "not a Google Cloud role"),
            (replace(ENTITLEMENT, target=replace(TARGET, cloud=Cloud.AWS)), "not a Google Cloud"),
            (replace(ENTITLEMENT, target=replace(TARGET, locator="a/../b")), "not a project id"),
            (replace(ENTITLEMENT, principal=replace(ALICE, gcp=None)), "no Google identity"),
            (replace(ENTITLEMENT, grant=GrantId("alice/" + "x" * 251)), "257 characters"),
        ]:
            with pytest.raises(NotGrantable, match=why) as raised:
                binding(wrong, window=WINDOW)
            assert str(wrong.grant) in str(raised.value)

    def test_refusals_are_errors_of_ours(self) -> None:
        assert issubclass(NotGrantable, UsageError)
        assert issubclass(NotGrantable, PipelineError)

    def test_a_second_factor_needs_somebody_who_proves_it(self) -> None:
        strict = replace(ENTITLEMENT, role=replace(ROLE, mfa_required=True))
        with pytest.raises(NotGrantable, match="second factor"):
            binding(strict, window=WINDOW)
        vouched = GcpIdentity(member="user:alice@example.com", mfa=Mfa.IDENTITY_PROVIDER)
        proven = replace(strict, principal=replace(ALICE, gcp=vouched))
        assert binding(proven, window=WINDOW).window == WINDOW

    def test_the_window_is_narrowed_to_whole_seconds(self) -> None:
        half = timedelta(milliseconds=500)
        wide = Window(start=WINDOW.start - half, end=WINDOW.end + half)
        assert binding(ENTITLEMENT, window=wide).window == WINDOW
        blink = Window(start=WINDOW.start + half / 5, end=WINDOW.start + half)
        with pytest.raises(NotGrantable, match="no whole second"):
            binding(ENTITLEMENT, window=blink)

    def test_times_are_written_in_utc(self) -> None:
        east = timezone(timedelta(hours=5, minutes=30))
        same = Window(start=WINDOW.start.astimezone(east), end=WINDOW.end.astimezone(east))
        assert binding(ENTITLEMENT, window=same) == binding(ENTITLEMENT, window=WINDOW)


class TestExpression:
    def test_it_reads_back(self) -> None:
        assert window_in(expression(WINDOW)) == WINDOW

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "true",
            'request.time < timestamp("2026-11-20T18:00:00Z")',
            expression(WINDOW) + " || true",
            "true || " + expression(WINDOW),
            expression(WINDOW) + "\n",
            expression(WINDOW).replace("18:00", "15:00"),
            expression(WINDOW).replace("18:00", "99:00"),
            expression(WINDOW).replace("&&", "||"),
            expression(WINDOW).replace(">=", ">"),
        ],
    )
    def test_any_other_expression_states_no_window(self, text: str) -> None:
        assert window_in(text) is None


class TestMark:
    @pytest.mark.parametrize(
        "title, description",
        [
            ("", ""),
            ("daypass-", ""),
            ("daypass-" + "0" * 24 + "-" + "0" * 24, "alice/g"),
            ("daypass-" + digest("")[:24] + "-" + "0" * 24, ""),
            ("daypass-" + digest("alice/g")[:24], "alice/g"),
            ("Daypass-" + digest("alice/g")[:24] + "-" + "0" * 24, "alice/g"),
            ("daypass-" + digest("alice/g")[:24] + "-" + "0" * 24 + "\n", "alice/g"),
        ],
    )
    def test_it_holds_only_where_title_and_description_agree(
        self, title: str, description: str
    ) -> None:
        assert owner(title, description) is None


def test_only_the_account_of_a_member_is_compared_without_case() -> None:
    assert same_account("serviceAccount:Bot@X.com") == "serviceAccount:bot@x.com"
    assert same_account("allUsers") == "allUsers"


MEMBERS = st.one_of(
    st.from_regex(
        r"(user|group|serviceAccount|domain):[A-Za-z]{1,5}@[a-zA-Z]{1,5}\.com", fullmatch=True
    ),
    st.from_regex(r"deleted:user:[a-z]{1,5}@[a-z]{1,5}\.com\?uid=[0-9]{3}", fullmatch=True),
    st.sampled_from(["user:alice@example.com", "user:ALICE@example.com", "allUsers"]),
)
OURS = binding(ENTITLEMENT, window=WINDOW)
CONDITIONS = st.fixed_dictionaries(
    {"title": st.one_of(st.text(max_size=5), st.sampled_from([OURS.key, "daypass-x"]))},
    optional={
        "description": st.one_of(st.text(max_size=5), st.just("alice/other")),
        "expression": st.sampled_from(["true", expression(WINDOW)]),
        "location": st.text(max_size=3),
    },
)
FOREIGN = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["roles/logging.viewer", "roles/owner", "roles/browser"]),
            "members": st.lists(MEMBERS, min_size=1, max_size=4),
        },
        optional={"condition": CONDITIONS},
    ),
    max_size=8,
)
GRANTS = st.lists(
    st.sampled_from([f"alice/g{n}" for n in range(6)]), unique=True, min_size=1, max_size=6
)


class TestEdit:
    @given(foreign=FOREIGN, grants=GRANTS, data=st.data())
    def test_foreign_bindings_stay_identical_and_in_order(
        self, foreign: list[dict[str, Any]], grants: list[str], data: st.DataObject
    ) -> None:
        before = copy.deepcopy(foreign)
        made = [
            binding(replace(ENTITLEMENT, grant=GrantId(grant)), window=WINDOW) for grant in grants
        ]
        policy = list(foreign)
        for one in made[: len(made) // 2]:
            place = data.draw(st.integers(0, len(policy)))
            policy.insert(place, entry(one))

        created = edit(policy, [create(one) for one in made], now=NOW)
        marked = {one.key for one in made}
        rest = [
            one for one in created.bindings if one.get("condition", {}).get("title") not in marked
        ]
        assert canonical(rest) == canonical(before)
        assert all(holds(created.bindings, create(one)) for one in made)
        assert created.refused == {}

        removed = edit(created.bindings, [delete(one) for one in made], now=NOW)
        assert canonical(list(removed.bindings)) == canonical(before)
        assert foreign == before

    @given(foreign=FOREIGN, grants=GRANTS)
    def test_it_is_repeatable(self, foreign: list[dict[str, Any]], grants: list[str]) -> None:
        changes = [
            create(binding(replace(ENTITLEMENT, grant=GrantId(grant)), window=WINDOW))
            for grant in grants
        ]
        once = edit(foreign, changes, now=NOW)
        twice = edit(once.bindings, changes, now=NOW)

        assert once.changed
        assert not twice.changed
        assert twice.bindings == once.bindings

    def test_an_update_keeps_its_place(self) -> None:
        later = Window(start=WINDOW.start, end=WINDOW.end + timedelta(hours=1))
        extended = binding(ENTITLEMENT, window=later)
        others = [{"role": "roles/browser", "members": [f"user:u{n}@example.com"]} for n in (1, 2)]
        policy = [others[0], entry(OURS), others[1]]
        change = BindingChange(kind=ChangeKind.UPDATE, binding=extended, before=OURS)

        assert list(edit(policy, [change], now=NOW).bindings) == [
            others[0],
            entry(extended),
            others[1],
        ]

    def test_a_narrowing_update_passes_in_a_policy_that_is_already_too_large(self) -> None:
        crowd = {"role": "roles/browser", "members": [f"user:u{n}@e.com" for n in range(1501)]}
        narrower = binding(
            ENTITLEMENT, window=Window(start=WINDOW.start, end=WINDOW.end - timedelta(hours=1))
        )
        change = BindingChange(kind=ChangeKind.UPDATE, binding=narrower, before=OURS)
        assert edit([crowd, entry(OURS)], [change], now=NOW).refused == {}
        assert edit([crowd, entry(OURS)], [delete(OURS)], now=NOW).bindings == (crowd,)

    def test_principals_exempt_from_audit_logs_count_towards_the_limit(self) -> None:
        assert edit([], [create(OURS)], now=NOW, exempted=1499).refused == {}
        assert "1500" in edit([], [create(OURS)], now=NOW, exempted=1500).refused[0]

    def test_a_group_counts_once_and_a_domain_at_every_appearance(self) -> None:
        group = {"role": "roles/browser", "members": ["group:sre@example.com"]}
        domain = {"role": "roles/browser", "members": ["domain:example.com"]}
        assert edit([group] * 251, [create(OURS)], now=NOW).refused == {}
        assert "250" in edit([domain] * 251, [create(OURS)], now=NOW).refused[0]

    def test_the_last_moment_is_refused_and_the_one_before_is_not(self) -> None:
        instant = timedelta(microseconds=1)
        assert edit([], [create(OURS)], now=WINDOW.end - instant).refused == {}
        assert "ended" in edit([], [create(OURS)], now=WINDOW.end).refused[0]

    @pytest.mark.parametrize(
        "part, value",
        [
            ("role", None),
            ("members", ["user:bob@example.com"]),
            ("condition", {}),
            ("condition", None),
            ("condition", {"title": OURS.key, "description": "bob/x", "expression": "true"}),
        ],
    )
    def test_documents_of_another_shape_are_refused(self, part: str, value: Any) -> None:
        said = json.loads(OURS.document)
        said[part] = value
        if value is None:
            del said[part]
        forged = replace(OURS, document=canonical(said))
        assert edit([], [create(forged)], now=NOW).refused.keys() == {0}

    def test_a_document_that_names_another_grant_is_refused(self) -> None:
        forged = replace(OURS, grants=(GrantId("alice/other"),))
        assert "mark" in edit([], [create(forged)], now=NOW).refused[0]


class TestSurvey:
    def look(self, *entries: dict[str, Any]) -> Any:
        return survey(entries, target=TARGET.id, locator=TARGET.locator)

    def test_ours_reads_back_as_it_was_made(self) -> None:
        (seen,) = self.look(entry(OURS)).bindings
        assert seen.document == OURS.document
        assert (seen.identity, seen.window) == (OURS.identity, OURS.window)
        assert (seen.principal, seen.role) == ("alice", "roles/logging.viewer")

    def test_twins_are_one_binding_that_nobody_asks_for(self) -> None:
        longer = Window(start=WINDOW.start, end=WINDOW.end + timedelta(hours=1))
        twins = [entry(OURS), entry(binding(ENTITLEMENT, window=longer))]
        (seen,) = self.look(*twins).bindings
        assert seen.document not in {OURS.document, canonical(twins[1])}
        assert seen.window == longer

    def test_an_empty_policy_holds_nothing(self) -> None:
        assert self.look().bindings == ()
        assert self.look().foreign == ()

    def test_unrelated_bindings_are_not_reported(self) -> None:
        other = {"role": "roles/browser", "members": ["user:alice@example.com"]}
        assert self.look(entry(OURS), other).foreign == ()
