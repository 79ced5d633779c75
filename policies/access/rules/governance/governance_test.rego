package access.rules.governance_test

import data.access.rules.governance
import data.lib.fixtures_test as f

_steps(document, settings) := steps if {
	steps := governance.approvals with input as document with data.settings as settings
}

_codes(document, settings) := codes if {
	codes := f.codes(governance.deny) with input as document with data.settings as settings
}

test_security_approves if {
	_codes(f.governance, f.settings) == set()
	_steps(f.governance, f.settings) == {{
		"id": "governance",
		"teams": ["security"],
		"people": [],
		"count": 2,
		"order": 1,
		"because": "governance",
	}}
}

test_deny_without_a_count if _codes(f.governance, f.without(f.settings, "/reviewers/governance")) == {"governance-unreviewed"}

test_deny_without_security if {
	_codes(f.governance, f.without(f.settings, "/reviewers/security_teams")) == {"governance-unreviewed"}
}

test_grants_are_not_its_business if {
	_codes(f.request, {}) == set()
	_steps(f.request, f.settings) == set()
}
