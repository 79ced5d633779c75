package access.rules.less_access_test

import data.access.rules.less_access
import data.lib.fixtures_test as f

_alone(document) := reasons if {
	reasons := less_access.alone with input as document with data.settings as f.settings
}

_teams(document) := teams if {
	teams := {step.id: step.teams |
		some step in less_access.approvals
	} with input as document with data.settings as f.settings
}

_codes(document, settings) := codes if {
	codes := f.codes(less_access.deny) with input as document with data.settings as settings
}

_delete := f.set(f.set(f.request, "/change", "delete"), "/previous", f.proven)

_by(name, teams) := f.set(_delete, "/requester", {
	"login": name,
	"principal": name,
	"teams": teams,
	"is_app": false,
})

_second := {"target": {"id": "gcp/lab", "owners": ["lab"]}, "role": {"id": "gcp/viewer", "risk": "low"}}

_by_itself(document) if {
	_alone(document) == {"less-access"}
	_teams(document) == {}
	_codes(document, f.settings) == set()
}

test_the_subject_has_a_say if _by_itself(_by("alice", []))

test_the_owner_of_a_workload_has_a_say if _by_itself(f.set(_by("bob", []), "/subject/owner", "bob"))

test_whoever_asked_has_a_say if _by_itself(f.set(_by("bob", []), "/previous/requester", "bob"))

test_whoever_the_app_asked_for_has_a_say if _by_itself(f.set(_by("bob", []), "/grant/requested_by", "bob"))

test_an_owner_of_every_target_has_a_say if _by_itself(_by("bob", ["payments-leads"]))

test_security_has_a_say if _by_itself(_by("bob", ["security"]))

test_the_app_has_a_say if _by_itself(f.set(_by(null, []), "/requester/is_app", true))

test_a_stranger_needs_an_owner if {
	_alone(_by("mallory", ["other"])) == set()
	_teams(_by("mallory", ["other"])) == {"less-access": ["payments-leads"]}
	_codes(_by("mallory", ["other"]), f.settings) == set()
}

test_a_nobody_needs_an_owner if {
	document := f.set(_by(null, []), "/previous/requester", null)
	_teams(document) == {"less-access": ["payments-leads"]}
}

test_an_owner_of_one_target_needs_an_owner if {
	document := f.set(_by("bob", ["payments-leads"]), "/bindings/1", _second)
	_alone(document) == set()
	_teams(document) == {"less-access": ["lab", "payments-leads"]}
}

test_without_owners_security_is_asked if {
	_teams(f.set(_by("mallory", []), "/bindings", [])) == {"less-access": ["security"]}
	_teams(f.set(_by("mallory", []), "/bindings/0/target/owners", [])) == {"less-access": ["security"]}
}

test_deny_where_nobody_could_be_asked if {
	document := f.set(_by("mallory", []), "/bindings", [])
	_codes(document, {}) == {"judge-missing"}
}

test_more_access_is_not_its_business if {
	_alone(f.request) == set()
	every change in ["create", "widen", "same"] {
		document := f.set(_by("mallory", []), "/change", change)
		_teams(document) == {}
		_codes(f.set(document, "/bindings", []), {}) == set()
	}
}

test_a_stranger_needs_one_person_first if {
	found := less_access.approvals with input as _by("mallory", []) with data.settings as f.settings
	found == {{
		"id": "less-access",
		"teams": ["payments-leads"],
		"people": [],
		"count": 1,
		"order": 1,
		"because": "less-access",
	}}
}
