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
	_codes(f.governance, f.set(f.settings, "/reviewers/security_teams", [])) == {"governance-unreviewed"}
	_codes(f.governance, f.without(f.settings, "/reviewers/security_teams")) == {"governance-unreviewed"}
}

test_grants_are_not_its_business if {
	_codes(f.request, {}) == set()
	_steps(f.request, f.settings) == set()
}

_review := f.set(f.set(f.governance, "/reviews", ["bob"]), "/paths", ["access/reviews/bob/night.yaml"])

_ids(document) := {step.id | some step in _steps(document, f.settings)}

test_two_people_review_an_emergency if {
	_codes(_review, f.settings) == set()
	_steps(_review, f.settings) == {{
		"id": "emergency-review",
		"teams": ["payments-leads", "security"],
		"people": [],
		"count": 2,
		"order": 1,
		"because": "emergency-review",
	}}
}

test_security_alone_may_review_an_emergency if {
	settings := f.set(f.settings, "/emergency/review_teams", [])
	_codes(_review, settings) == set()
	[step.teams | some step in _steps(_review, settings)] == [["security"]]
}

test_a_review_beside_other_changes_needs_both if {
	both := {"governance", "emergency-review"}
	_ids(f.set(_review, "/paths/-", "policies/settings/limits/data.yaml")) == both
	_ids(f.set(_review, "/paths/-", "access/reviews")) == both
	_ids(f.set(_review, "/paths/-", null)) == both
	_ids(f.set(_review, "/paths", [])) == both
	_ids(f.set(_review, "/paths", null)) == both
	_ids(f.without(_review, "/paths")) == both
}

test_reviews_of_nobody_are_changes_like_others if {
	_ids(f.set(_review, "/reviews", [])) == {"governance"}
}

test_deny_where_nobody_could_review if {
	every change in [
		["/emergency/reviewers", null],
		["/emergency/reviewers", 1],
		["/emergency/reviewers", "2"],
		["/emergency/review_teams", null],
		["/emergency/review_teams", "payments-leads"],
		["/emergency", null],
	] {
		_codes(_review, f.set(f.settings, change[0], change[1])) == {"emergency-unreviewed"}
	}
	_codes(_review, f.without(f.settings, "/reviewers/security_teams")) == {
		"governance-unreviewed",
		"emergency-unreviewed",
	}
}

test_deny_reviews_of_no_known_people if {
	every odd in [null, "bob", {}, [null], [1], [""], ["bob", 1]] {
		_codes(f.set(_review, "/reviews", odd), f.settings) == {"emergency-unreviewed"}
	}
	_codes(f.without(f.governance, "/reviews"), f.settings) == {"emergency-unreviewed"}
}

test_reviews_of_nobody_wait_for_no_setting_of_emergencies if {
	_codes(f.governance, f.without(f.settings, "/emergency")) == set()
}

test_one_person_may_be_enough_and_nobody_is_not if {
	_codes(f.governance, f.set(f.settings, "/reviewers/governance", 1)) == set()
	every fewer in [0, 0.5] {
		_codes(f.governance, f.set(f.settings, "/reviewers/governance", fewer)) == {"governance-unreviewed"}
	}
}

test_whose_use_cannot_be_reviewed_is_told if {
	found := governance.deny with input as f.set(_review, "/reviews", ["carl", 1, "", "bob"])
		with data.settings as f.settings
	found == {{"code": "emergency-unreviewed", "binding": -1, "values": {"people": ["bob", "carl"]}}}
}

test_grants_review_nothing if {
	document := f.set(f.request, "/reviews", ["bob"])
	_codes(document, {}) == set()
	_steps(document, f.settings) == set()
}
