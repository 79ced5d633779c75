"""Google's stand-in meets the rules that Google documents, and Google's own description."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
from google.auth.credentials import AnonymousCredentials

from pipeline.clouds.gcp.adapter import GcpWriter
from pipeline.sandbox.clock import Clock
from pipeline.sandbox.gcp import Exchange, GcpSandbox
from tests.contract.support_gcp import Contract
from tests.contract.support_gcp_scenario import (
    ACCOUNTS,
    ALICE,
    FOREIGN,
    NOW,
    PROJECT,
    PROJECTS,
    ROLE,
    altered,
    change,
    held,
)


@pytest.fixture
def contract() -> Iterator[Contract]:
    judge = Contract()
    yield judge
    assert judge.violations == []


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def cloud(clock: Clock, contract: Contract) -> Iterator[GcpSandbox]:
    with GcpSandbox(
        clock,
        projects=PROJECTS,
        members=ACCOUNTS,
        observer=contract,
    ) as sandbox:
        yield sandbox


class TestRules:
    """What Google documents; `sandbox/gcp_rules.py` names the source of each."""

    @pytest.fixture
    def call(self, cloud: GcpSandbox) -> Callable[..., Exchange]:
        def post(method: str, body: Any, project: str = PROJECT) -> Exchange:
            requests.post(
                f"{cloud.url}/v3/projects/{project}:{method}", json=body, timeout=10
            ).close()
            return cloud.exchanges[-1]

        return post

    def put(self, cloud: GcpSandbox, **policy: Any) -> dict[str, Any]:
        return {"policy": {"version": 3, "etag": cloud.policy(PROJECT)["etag"], **policy}}

    @pytest.mark.parametrize(
        "entry, message",
        [
            ({"role": ROLE, "members": []}, "at least one principal"),
            ({"role": ROLE, "members": ["allUsers"]}, "does not support allUsers"),
            ({"role": ROLE, "members": ["alice@example.com"]}, "Invalid member"),
            ({"role": ROLE, "members": ["USER:alice@example.com"]}, "Invalid member"),
            ({"role": ROLE, "members": ["user:nobody@example.com"]}, "does not exist"),
            ({"role": "viewer", "members": [ALICE]}, "not supported"),
            ({"role": "roles/owner", "members": [ALICE]}, "owner role"),
            (
                {
                    "role": "roles/viewer",
                    "members": [ALICE],
                    "condition": {"title": "t", "expression": "true"},
                },
                "primitive roles",
            ),
            (
                {"role": ROLE, "members": [ALICE], "condition": {"expression": "true"}},
                "title",
            ),
            ({"role": ROLE, "members": [ALICE], "condition": {"title": "t"}}, "expression"),
            *(
                (
                    {
                        "role": ROLE,
                        "members": [ALICE],
                        "condition": {"title": "t", "expression": text},
                    },
                    message,
                )
                for text, message in [
                    ("request.time <", "compilation failed"),
                    ("request.nope == 1", "compilation failed"),
                    ('request.time < "2026-01-01T00:00:00Z"', "compilation failed"),
                    ("1 + 1", "not bool"),
                    (" && ".join(["true"] * 14), "12 logic operators"),
                ]
            ),
            (
                {"role": ROLE, "members": [f"user:u{n}@example.com" for n in range(1501)]},
                "larger than the maximum allowed size 1500",
            ),
            (
                {"role": ROLE, "members": [f"group:g{n}@example.com" for n in range(251)]},
                "larger than the maximum allowed size 250",
            ),
        ],
    )
    def test_an_invalid_policy_is_refused(
        self, cloud: GcpSandbox, call: Callable[..., Exchange], entry: Any, message: str
    ) -> None:
        for member in entry["members"]:
            if len(entry["members"]) > 250:
                cloud.add_member(member)
        answer = call("setIamPolicy", self.put(cloud, bindings=[entry]))

        assert answer.status == 400
        assert message in answer.response["error"]["message"]
        assert held(cloud) == []

    def test_21_conditions_for_one_role_and_account_are_refused(
        self, cloud: GcpSandbox, call: Callable[..., Exchange]
    ) -> None:
        entries = [
            {
                "role": ROLE,
                "members": [ALICE],
                "condition": {"title": f"t{n}", "expression": "true"},
            }
            for n in range(21)
        ]
        assert call("setIamPolicy", self.put(cloud, bindings=entries)).status == 400
        assert call("setIamPolicy", self.put(cloud, bindings=entries[1:])).status == 200

    def test_a_stale_etag_is_a_conflict(
        self, cloud: GcpSandbox, call: Callable[..., Exchange]
    ) -> None:
        body = self.put(cloud, bindings=[])
        cloud.set_policy(PROJECT, FOREIGN)
        answer = call("setIamPolicy", body)

        assert answer.status == 409
        assert answer.response["error"]["status"] == "ABORTED"
        assert held(cloud) == FOREIGN

    def test_without_an_etag_a_version_1_policy_overwrites_conditions(
        self, cloud: GcpSandbox, call: Callable[..., Exchange]
    ) -> None:
        cloud.set_policy(PROJECT, FOREIGN)
        plain = [{"role": ROLE, "members": [ALICE]}]
        body = {"policy": {"version": 1, "bindings": plain}}

        assert call("setIamPolicy", body).status == 200
        assert held(cloud) == plain

    def test_conditions_need_version_3(
        self, cloud: GcpSandbox, call: Callable[..., Exchange]
    ) -> None:
        for version in (0, 1):
            conditional = self.put(cloud, version=version, bindings=[altered(lambda _: None)])
            assert call("setIamPolicy", conditional).status == 400
        cloud.set_policy(PROJECT, FOREIGN)
        assert call("setIamPolicy", self.put(cloud, version=1, bindings=[])).status == 400
        assert call("setIamPolicy", self.put(cloud, version=2, bindings=[])).status == 400
        assert call("getIamPolicy", {"options": {"requestedPolicyVersion": 2}}).status == 400

    def test_a_version_1_answer_leaves_conditions_out_and_alters_role_names(
        self, cloud: GcpSandbox, call: Callable[..., Exchange]
    ) -> None:
        cloud.set_policy(PROJECT, FOREIGN)
        answer = call("getIamPolicy", {})

        assert answer.response["version"] == 1
        assert answer.response["bindings"][2]["role"].startswith("roles/storage.admin_withcond_")
        assert "condition" not in answer.response["bindings"][2]
        assert (
            call("getIamPolicy", {"options": {"requestedPolicyVersion": 3}}).response["bindings"]
            == FOREIGN
        )

    def test_an_unknown_project_is_denied(self, call: Callable[..., Exchange]) -> None:
        assert call("getIamPolicy", {}, project="nope").status == 403

    def test_a_project_is_described(self, cloud: GcpSandbox, clock: Clock) -> None:
        from google.api_core.client_options import ClientOptions
        from google.cloud.resourcemanager_v3 import ProjectsClient

        client = ProjectsClient(
            credentials=AnonymousCredentials(),
            transport="rest",
            client_options=ClientOptions(api_endpoint=cloud.url),
        )
        project = client.get_project(name=f"projects/{PROJECT}")
        assert project.project_id == PROJECT
        assert client.get_project(name=project.name).project_id == PROJECT
        asked = ["resourcemanager.projects.setIamPolicy", "storage.buckets.list"]
        held = client.test_iam_permissions(resource=f"projects/{PROJECT}", permissions=asked)
        assert list(held.permissions) == asked[:1]

    @pytest.mark.parametrize(
        "body",
        [
            {"policy": {"bindings": "all"}},
            {"policy": {"bindings": ["all"]}},
            {"policy": {"bindings": [{"role": 1, "members": [ALICE]}]}},
            {"policy": {"bindings": [{"role": ROLE, "members": [1]}]}},
            {"policy": {"bindings": [{"rolle": ROLE, "members": [ALICE]}]}},
            {"policy": {"bindings": [{"role": ROLE, "members": [], "condition": {"a": "b"}}]}},
            {"policy": []},
            {},
            [],
        ],
    )
    def test_bodies_of_another_shape_are_refused(self, clock: Clock, body: Any) -> None:
        with GcpSandbox(clock, projects=[PROJECT]) as loose:
            answer = requests.post(
                f"{loose.url}/v3/projects/{PROJECT}:setIamPolicy", json=body, timeout=10
            )
            assert answer.status_code == 400
            assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"
            assert "bindings" not in loose.policy(PROJECT)

    def test_other_paths_and_verbs_are_not_found(self, clock: Clock) -> None:
        with GcpSandbox(clock, projects=[PROJECT]) as loose:
            for path in (f"/v1/projects/{PROJECT}", f"/v3/projects/{PROJECT}:delete", "/"):
                assert requests.get(loose.url + path, timeout=10).status_code == 404
            read = f"{loose.url}/v3/projects/{PROJECT}:getIamPolicy"
            assert requests.get(read, timeout=10).status_code == 404
            junk = requests.post(read, data=b"{", timeout=10)
            assert junk.status_code == 400

    def test_permissions_with_wildcards_are_refused(self, call: Callable[..., Exchange]) -> None:
        assert call("testIamPermissions", {"permissions": ["storage.*"]}).status == 400


class TestContract:
    def test_what_the_document_does_not_describe_is_found(self, contract: Contract) -> None:
        good = Exchange(
            method="getIamPolicy",
            project=PROJECT,
            verb="POST",
            path=f"/v3/projects/{PROJECT}:getIamPolicy",
            query={"$alt": "json;enum-encoding=int"},
            request={},
            status=200,
            response={"version": 1, "etag": "BwE="},
        )
        assert contract.problems(good) == []
        for flaw in (
            {"verb": "GET"},
            {"query": {"colour": "red"}},
            {"request": {"option": {}}},
            {"request": {"options": {"requestedPolicyVersion": "3"}}},
            {"response": {"bindings": [{"role": 1}]}},
            {"response": {"etag": "not base64!"}},
            {"response": {"bindings": [{"condition": {"text": "true"}}]}},
            {"status": 409, "response": {"error": {"code": 409, "message": "x"}}},
            {"method": "", "path": "/v1/projects/x"},
        ):
            assert contract.problems(replace(good, **flaw)), flaw  # type: ignore[arg-type]

    def test_every_exchange_of_a_write_is_judged(
        self, cloud: GcpSandbox, clock: Clock, contract: Contract
    ) -> None:
        writer = GcpWriter(credentials=AnonymousCredentials(), endpoint=cloud.url)
        writer.write([change()], clock=clock.now)
        assert contract.judged == len(cloud.exchanges) == 2
