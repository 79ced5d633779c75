package access.rules.reviewers_test

import data.access.rules.reviewers
import data.lib.fixtures_test as f

_codes(document, settings) := codes if {
	codes := f.codes(reviewers.deny) with input as document with data.settings as settings
}

_steps(document, settings) := steps if {
	steps := {[step.id, step.count, step.because] |
		some step in reviewers.approvals
	} with input as document with data.settings as settings
}

_alone(document, settings) := reasons if {
	reasons := reviewers.alone with input as document with data.settings as settings
}

_risk(risk) := f.set(f.request, "/bindings/0/role/risk", risk)

_by_app := f.set(_risk("low"), "/requester/is_app", true)

_two(first, second, owners) := f.set(_risk(first), "/bindings/1", {
	"target": {"id": "gcp/lab", "owners": owners},
	"role": {"id": "gcp/viewer", "risk": second},
})

test_low_needs_nobody if {
	_steps(_risk("low"), f.settings) == set()
	_alone(_risk("low"), f.settings) == {"low-risk"}
}

test_medium_needs_an_owner if {
	_steps(_risk("medium"), f.settings) == {["owners:payments-leads", 1, "risk-medium"]}
	_alone(_risk("medium"), f.settings) == set()
}

test_high_needs_an_owner_and_security if {
	_steps(_risk("high"), f.settings) == {
		["owners:payments-leads", 1, "risk-high"],
		["security", 1, "risk-high"],
	}
}

test_critical_needs_two_of_security if {
	_steps(_risk("critical"), f.settings) == {
		["owners:payments-leads", 1, "risk-critical"],
		["security", 2, "risk-critical"],
	}
}

test_each_set_of_owners_is_asked if {
	_steps(_two("medium", "critical", ["lab", "desk"]), f.settings) == {
		["owners:payments-leads", 1, "risk-medium"],
		["owners:desk,lab", 1, "risk-critical"],
		["security", 2, "risk-critical"],
	}
}

test_the_same_owners_are_asked_once if {
	_steps(_two("medium", "high", ["payments-leads"]), f.settings) == {
		["owners:payments-leads", 1, "risk-high"],
		["security", 1, "risk-high"],
	}
}

test_low_beside_medium_asks_its_own_reviewers_only if {
	_steps(_two("medium", "low", ["lab"]), f.settings) == {["owners:payments-leads", 1, "risk-medium"]}
	_alone(_two("medium", "low", ["lab"]), f.settings) == set()
}

test_low_needs_an_owner_when_it_may_not_merge_by_itself if {
	settings := f.set(f.settings, "/reviewers/low_merges_by_itself", false)
	_steps(_risk("low"), settings) == {["owners:payments-leads", 1, "risk-low"]}
	_alone(_risk("low"), settings) == set()
}

test_what_the_app_asks_for_never_merges_by_itself if {
	_steps(_by_app, f.settings) == {["owners:payments-leads", 1, "risk-low"]}
	_alone(_by_app, f.settings) == set()
}

test_low_needs_an_owner_when_a_stranger_asks if {
	document := f.set(_risk("low"), "/requester/principal", "mallory")
	_steps(document, f.settings) == {["owners:payments-leads", 1, "risk-low"]}
	_alone(document, f.settings) == set()
}

test_low_needs_nobody_when_an_owner_asks if {
	document := f.set(f.set(_risk("low"), "/requester/principal", "bob"), "/requester/teams", ["payments-leads"])
	_alone(document, f.settings) == {"low-risk"}
}

test_low_with_reviewers_set_needs_them if {
	settings := f.set(f.settings, "/reviewers/by_risk/low", [{"from": "security", "count": 1}])
	_steps(_risk("low"), settings) == {["security", 1, "risk-low"]}
	_alone(_risk("low"), settings) == set()
}

test_allow_with_reviewers_known if _codes(f.request, f.settings) == set()

test_deny_an_unknown_risk if _codes(_risk("odd"), f.settings) == {"reviewers-unknown"}

test_deny_medium_without_reviewers if {
	settings := f.set(f.settings, "/reviewers/by_risk/medium", [])
	_codes(f.request, settings) == {"reviewers-unknown"}
}

test_deny_reviewers_of_an_unknown_kind if {
	settings := f.set(f.settings, "/reviewers/by_risk/medium", [{"from": "anybody", "count": 1}])
	_codes(f.request, settings) == {"reviewers-unknown"}
}

test_deny_nobody_as_reviewer if {
	settings := f.set(f.settings, "/reviewers/by_risk/medium", [{"from": "owners", "count": 0}])
	_codes(f.request, settings) == {"reviewers-unknown"}
}

test_deny_a_target_without_owners if {
	_codes(f.set(f.request, "/bindings/0/target/owners", []), f.settings) == {"owners-missing"}
}

test_deny_unreadable_owners if {
	_codes(f.set(f.request, "/bindings/0/target/owners", [""]), f.settings) == {"owners-missing"}
}

test_deny_without_security if {
	every teams in [[], null, "security", [""], [1]] {
		_codes(f.request, f.set(f.settings, "/reviewers/security_teams", teams)) == {"security-missing"}
	}
}
