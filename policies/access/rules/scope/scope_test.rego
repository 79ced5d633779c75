package access.rules.scope_test

import data.access.rules.scope
import data.lib.fixtures_test as f

_codes(document, settings) := codes if {
	codes := f.codes(scope.deny) with input as document with data.settings as settings
}

_aws(actions) := f.set(f.request, "/bindings/0/role/permissions/actions", actions)

_on(cloud, permissions) := f.set(
	f.set(f.request, "/bindings/0/target/cloud", cloud),
	"/bindings/0/role/permissions", permissions,
)

_broad := {"scope-broad"}

test_allow_named_actions if _codes(f.request, f.settings) == set()

test_deny_every_action if {
	every action in ["*", "*:*", "**", "iam:*", "IAM:*"] {
		_codes(_aws(["rds:Describe*", action]), f.settings) == _broad
	}
}

test_deny_whatever_the_case_in_the_settings if {
	settings := f.set(f.settings, "/roles/critical_only/aws", ["IAM:*"])
	_codes(_aws(["iam:*"]), settings) == _broad
}

test_allow_every_action_when_critical if {
	_codes(f.set(_aws(["*"]), "/bindings/0/role/risk", "critical"), f.settings) == set()
}

test_deny_without_actions if _codes(_aws([]), f.settings) == _broad

test_deny_actions_that_are_no_text if _codes(_aws([1]), f.settings) == _broad

test_deny_without_settings if _codes(f.request, {}) == _broad

test_deny_an_unknown_cloud if _codes(_on("moon", {"role": "walker"}), f.settings) == _broad

test_allow_a_narrow_azure_role if _codes(_on("azure", {"role_definition_id": "72fafb9e"}), f.settings) == set()

test_deny_a_broad_azure_role if _codes(_on("azure", {"role_definition_id": "B24988AC"}), f.settings) == _broad

test_allow_a_narrow_google_role if _codes(_on("gcp", {"role": "roles/logging.viewer"}), f.settings) == set()

test_deny_a_broad_google_role if _codes(_on("gcp", {"role": "roles/owner"}), f.settings) == _broad
