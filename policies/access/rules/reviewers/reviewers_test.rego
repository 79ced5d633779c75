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

test_owners_that_are_nobody_are_not_asked if {
	_steps(f.set(_risk("high"), "/bindings/0/target/owners", []), f.settings) == {["security", 1, "risk-high"]}
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
	every odd in [null, "payments-leads", {"a": "payments-leads"}, [""], [1], [null], ["payments-leads", ["desk"]]] {
		_codes(f.set(f.request, "/bindings/0/target/owners", odd), f.settings) == {"owners-missing"}
	}
}

test_deny_without_security if {
	every teams in [[], null, "security", [""], [1]] {
		_codes(f.request, f.set(f.settings, "/reviewers/security_teams", teams)) == {"security-missing"}
	}
}

test_a_workloads_owner_asks_for_it_and_nobody_else if {
	workload := f.set(f.set(_risk("low"), "/subject/kind", "workload"), "/subject/owner", "bob")
	every document in [
		workload,
		f.set(f.set(workload, "/requester/principal", "mallory"), "/requester/teams", ["payments-leads", "security"]),
		f.set(f.set(workload, "/requester/principal", null), "/subject/owner", null),
	] {
		_steps(document, f.settings) == {["owners:payments-leads", 1, "risk-low"]}
		_alone(document, f.settings) == set()
	}
	_steps(f.set(workload, "/requester/principal", "bob"), f.settings) == set()
	_alone(f.set(workload, "/requester/principal", "bob"), f.settings) == {"low-risk"}
}

test_an_emergency_needs_nobody_and_is_not_of_low_risk if {
	every risk in ["low", "medium", "high", "critical"] {
		document := f.set(_risk(risk), "/grant/emergency", true)
		_steps(document, f.settings) == set()
		_alone(document, f.settings) == set()
		_codes(document, f.settings) == set()
	}
}

_by(steps) := f.set(f.settings, "/reviewers/by_risk/medium", steps)

_asked(steps) := asked if {
	asked := {[step.id, step.teams, step.people, step.count, step.order] |
		some step in reviewers.approvals
	} with input as f.request with data.settings as _by(steps)
}

test_steps_may_name_teams_and_people if {
	_asked([{"teams": ["ops", "desk"], "count": 2}]) == {["named:desk,ops:", ["desk", "ops"], [], 2, 1]}
	_asked([{"people": ["erin"], "count": 1}]) == {["named::erin", [], ["erin"], 1, 1]}
	_asked([{"teams": ["ops"], "people": ["erin", "carl"], "count": 1}]) == {["named:ops:carl,erin", ["ops"], ["carl", "erin"], 1, 1]}
}

test_steps_have_an_order if {
	_asked([
		{"from": "owners", "count": 1, "order": 1},
		{"from": "security", "count": 1, "order": 2},
		{"people": ["erin"], "count": 1, "order": 9},
	]) == {
		["owners:payments-leads", ["payments-leads"], [], 1, 1],
		["security@2", ["security"], [], 1, 2],
		["named::erin@9", [], ["erin"], 1, 9],
	}
}

test_the_same_people_are_asked_once_at_a_time if {
	_asked([
		{"from": "owners", "count": 1},
		{"from": "owners", "count": 3, "order": 1},
		{"from": "owners", "count": 2, "order": 2},
		{"from": "owners", "count": 1, "order": 2},
		{"teams": ["b", "a"], "count": 1},
		{"teams": ["a", "b"], "count": 2},
	]) == {
		["owners:payments-leads", ["payments-leads"], [], 3, 1],
		["owners:payments-leads@2", ["payments-leads"], [], 2, 2],
		["named:a,b:", ["a", "b"], [], 2, 1],
	}
}

test_deny_steps_that_are_misread if {
	every odd in [
		null,
		"owners",
		[],
		["owners"],
		{},
		{"count": 1},
		{"from": "owners"},
		{"from": "owners", "count": "1"},
		{"from": "owners", "count": 1, "order": 0},
		{"from": "owners", "count": 1, "order": 10},
		{"from": "owners", "count": 1, "order": "2"},
		{"from": "owners", "count": 1, "order": null},
		{"from": "owners", "count": 1, "ordered": 2},
		{"from": "owners", "count": 1, "teams": ["ops"]},
		{"from": "owners", "count": 1, "people": ["erin"]},
		{"from": null, "count": 1, "people": ["erin"]},
		{"teams": [], "count": 1},
		{"teams": "ops", "count": 1},
		{"teams": [""], "count": 1},
		{"teams": ["ops"], "people": [], "count": 1},
		{"people": "erin", "count": 1},
		{"people": [1], "count": 1},
		{"people": null, "count": 1},
	] {
		_codes(f.request, _by([odd])) == {"reviewers-unknown"}
	}
}

test_a_risk_that_only_the_settings_know_is_unknown if {
	settings := f.set(f.settings, "/reviewers/by_risk/odd", [{"from": "security", "count": 1}])
	_codes(_risk("odd"), settings) == {"reviewers-unknown"}
	_steps(_risk("odd"), settings) == set()
}

test_a_grant_of_nothing_is_not_of_low_risk if {
	_alone(f.set(f.request, "/bindings", []), f.settings) == set()
}

test_less_access_is_not_its_business if {
	every change in ["narrow", "delete"] {
		document := f.set(f.set(_risk("low"), "/bindings/0/target/owners", []), "/change", change)
		_codes(document, {}) == set()
		_codes(f.set(document, "/bindings/0/role/risk", "odd"), {}) == set()
		_alone(document, f.settings) == set()
		_steps(f.set(f.request, "/change", change), f.settings) == set()
	}
}
