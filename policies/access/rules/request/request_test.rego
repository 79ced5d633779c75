package access.rules.request_test

import data.access.rules.request
import data.lib.fixtures_test as f

_codes(document) := codes if {
	codes := f.codes(request.deny) with input as document with data.settings as f.settings
}

_narrow := f.set(f.set(f.request, "/change", "narrow"), "/previous", f.proven)

_by_app := f.set(f.request, "/requester", {
	"id": 9,
	"login": "daypass[bot]",
	"principal": null,
	"teams": [],
	"is_app": true,
})

test_allow_request if _codes(f.request) == set()

test_allow_governance if _codes(f.governance) == set()

test_allow_deletion if _codes(f.set(f.request, "/change", "delete")) == set()

test_deny_unknown_change if _codes(f.set(f.request, "/change", "renew")) == {"request-unreadable"}

test_deny_unknown_kind if _codes(f.set(f.request, "/kind", "wish")) == {"request-unreadable"}

test_deny_without_bindings if _codes(f.set(f.request, "/bindings", [])) == {"request-unreadable"}

test_deny_for_a_subject_without_a_name if {
	every odd in [null, 1, ["alice"]] {
		document := f.set(f.set(f.request, "/subject/name", odd), "/grant/subject", odd)
		_codes(document) == {"request-unreadable"}
	}
}

test_deny_for_another_subject if _codes(f.set(f.request, "/subject/name", "bob")) == {"request-unreadable"}

test_deny_binding_without_risk if {
	_codes(f.without(f.request, "/bindings/0/role/risk")) == {"request-unreadable"}
}

test_deny_without_any_of_the_facts_that_rules_look_at if {
	every path in _facts {
		_codes(f.without(f.request, path)) == {"request-unreadable"}
		_codes(f.set(f.request, path, "text")) == {"request-unreadable"}
		_codes(f.set(f.request, path, null)) == {"request-unreadable"}
	}
}

_facts := [
	"/subject/teams",
	"/subject/on_call",
	"/subject/standing",
	"/requester/teams",
	"/emergencies",
	"/lives",
	"/revives",
	"/calendars",
	"/calendars/start",
	"/calendars/end",
	"/calendars/open",
	"/bindings/0/role/mfa_required",
	"/bindings/0/role/interactive",
	"/bindings/0/role/parameters",
	"/bindings/0/parameters",
]

test_less_access_needs_none_of_them if {
	every path in _facts {
		_codes(f.without(f.set(f.request, "/change", "delete"), path)) == set()
	}
}

_always := ["/now", "/requester/is_app", "/grant/id", "/grant/subject", "/bindings"]

test_deny_without_any_of_the_facts_that_everything_needs if {
	every path in array.concat(_always, ["/bindings/0/target/id", "/bindings/0/role/id"]) {
		"request-unreadable" in _codes(f.without(f.request, path))
		"request-unreadable" in _codes(f.set(f.request, path, null))
	}
	every path in _always {
		"request-unreadable" in _codes(f.without(f.set(f.request, "/change", "delete"), path))
		"request-unreadable" in _codes(f.set(f.set(f.request, "/change", "delete"), path, null))
	}
	every path in ["/now", "/requester/is_app"] {
		_codes(f.without(f.governance, path)) == {"request-unreadable"}
	}
}

test_less_access_asks_who_it_is_of_nobody if {
	document := f.set(f.set(f.request, "/requester/principal", null), "/grant/requested_by", "bob")
	_codes(f.set(document, "/change", "delete")) == set()
}

test_deny_unknown_requester if {
	_codes(f.set(f.request, "/requester/principal", null)) == {"requester-unknown"}
}

test_deny_unnamed_requester if {
	_codes(f.set(f.request, "/requester/principal", "")) == {"requester-unknown"}
}

test_deny_a_stranger_in_a_known_persons_name if {
	document := f.set(f.set(f.request, "/requester/principal", null), "/grant/requested_by", "alice")
	_codes(document) == {"requester-unknown", "requested-by-unproven"}
}

test_allow_app_for_a_person if {
	_codes(f.set(_by_app, "/grant/requested_by", "alice")) == set()
}

test_deny_app_for_nobody if {
	_codes(_by_app) == {"requester-unknown", "requested-by-unproven"}
}

test_deny_requested_by_in_anothers_name if {
	_codes(f.set(f.request, "/grant/requested_by", "bob")) == {"requested-by-unproven"}
}

test_allow_narrowing if _codes(_narrow) == set()

test_deny_narrowing_of_nothing if {
	_codes(f.set(_narrow, "/previous", null)) == {"narrowing-unproven"}
}

test_deny_narrowing_to_longer if {
	_codes(f.set(_narrow, "/grant/duration", 7201)) == {"narrowing-unproven"}
}

test_deny_narrowing_of_another_grant if {
	every path in ["/previous/grant/id", "/previous/grant/subject", "/previous/grant/duration"] {
		_codes(f.without(_narrow, path)) == {"narrowing-unproven"}
	}
	_codes(f.set(_narrow, "/previous/grant/id", "alice/other")) == {"narrowing-unproven"}
	_codes(f.set(_narrow, "/previous/grant/subject", "bob")) == {"narrowing-unproven"}
	_codes(f.set(_narrow, "/previous/grant/duration", "7200")) == {"narrowing-unproven"}
	_codes(f.set(_narrow, "/grant/duration", null)) == {"narrowing-unproven"}
}
