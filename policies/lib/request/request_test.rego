package lib.request_test

import data.lib.fixtures_test as f
import data.lib.request

test_what_is_unclear_adds_access if {
	every document in [{}, {"kind": "grant"}, {"change": "delete"}, {"kind": "grant", "change": "renew"}] {
		request.adds_access with input as document
	}
}

test_less_access_and_governance_add_none if {
	not request.adds_access with input as f.governance
	not request.adds_access with input as f.set(f.request, "/change", "narrow")
}

test_only_a_grant_is_less_access if {
	request.narrows with input as f.set(f.request, "/change", "narrow")
	request.takes_away with input as f.set(f.request, "/change", "narrow")
	every kind in [null, "governance", "wish"] {
		document := f.set(f.set(f.request, "/kind", kind), "/change", "narrow")
		not request.narrows with input as document
		not request.takes_away with input as document
	}
}

test_bindings_that_are_no_list_are_none if {
	request.bindings == [] with input as {"bindings": {"0": {}}}
	count(request.bindings) == 1 with input as f.request
}

test_nobody_is_excluded_by_no_name if {
	request.excluded == {"alice"} with input as f.request
	request.excluded == {"alice"} with input as f.governance
	request.excluded == set() with input as {}
}

test_the_owner_of_a_workload_is_excluded if {
	request.excluded == {"alice", "bob"} with input as f.set(f.request, "/subject/owner", "bob")
}

test_who_used_emergency_access_is_excluded_from_its_review if {
	request.excluded == {"alice", "bob"} with input as f.set(f.governance, "/reviews", ["bob", 1])
	request.excluded == {"alice"} with input as f.set(f.governance, "/reviews", null)
}

test_an_emergency_is_nothing_but_true if {
	request.emergency with input as f.set(f.request, "/grant/emergency", true)
	every value in [false, "true", 1, null] {
		not request.emergency with input as f.set(f.request, "/grant/emergency", value)
	}
	not request.emergency with input as f.without(f.request, "/grant/emergency")
	not request.emergency with input as f.set(f.set(f.request, "/grant/emergency", true), "/change", "narrow")
}

test_teams_that_are_no_list_give_no_say if {
	document := f.set(f.set(f.request, "/requester/principal", "bob"), "/requester/teams", ["payments-leads"])
	request.has_a_say with input as document
	every teams in [null, "payments-leads", {"a": "payments-leads"}] {
		not request.has_a_say with input as f.set(document, "/requester/teams", teams)
	}
}
