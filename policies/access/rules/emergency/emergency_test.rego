package access.rules.emergency_test

import data.access.rules.emergency
import data.lib.fixtures_test as f

_found(document, settings) := found if {
	found := emergency.deny with input as document with data.settings as settings
}

_codes(document, settings) := f.codes(_found(document, settings))

_alone(document) := reasons if {
	reasons := emergency.alone with input as document with data.settings as f.settings
}

_urgent := f.set(
	f.set(f.set(f.request, "/grant/emergency", true), "/grant/duration", 3600),
	"/subject/on_call", ["desk", "payments"],
)

_now := f.request.now

_used(start, reviewed) := f.set(_urgent, "/emergencies", [
	{"grant": "alice/long-ago", "start": 0, "reviewed": true},
	{"grant": "alice/night", "start": start, "reviewed": reviewed},
])

test_what_is_no_emergency_is_not_its_business if {
	_codes(f.request, {}) == set()
	_alone(f.request) == set()
}

test_an_emergency_merges_by_itself if {
	_codes(_urgent, f.settings) == set()
	_alone(_urgent) == {"emergency"}
}

test_deny_neither_true_nor_false if {
	every odd in [null, "true", 1, []] {
		_codes(f.set(f.request, "/grant/emergency", odd), f.settings) == {"emergency-invalid"}
		_alone(f.set(f.request, "/grant/emergency", odd)) == set()
	}
	_codes(f.without(f.request, "/grant/emergency"), f.settings) == {"emergency-invalid"}
}

# Extensions.

_extended(document, before) := f.set(
	f.set(document, "/change", "widen"), "/previous",
	f.set(f.proven, "/grant/emergency", before),
)

test_an_extension_leaves_it_as_it_was if {
	_codes(_extended(_urgent, true), f.settings) == set()
	_codes(_extended(f.request, false), f.settings) == set()
	_codes(_extended(_urgent, false), f.settings) == {"emergency-changed"}
	_codes(_extended(f.request, true), f.settings) == {"emergency-changed"}
	_codes(f.set(_extended(_urgent, false), "/change", "same"), f.settings) == {"emergency-changed"}
}

test_deny_an_extension_of_what_is_not_known if {
	_codes(f.set(_extended(_urgent, true), "/previous", null), f.settings) == {"emergency-changed"}
	_codes(f.without(_extended(_urgent, true), "/previous"), f.settings) == {"emergency-changed"}
	_codes(f.without(_extended(_urgent, true), "/previous/grant/emergency"), f.settings) == {"emergency-changed"}
}

# Roles and rotations.

test_deny_a_role_that_is_not_marked if {
	_codes(f.set(_urgent, "/bindings/0/role/id", "aws/other"), f.settings) == {"emergency-role"}
	_codes(f.without(_urgent, "/bindings/0/role/id"), f.settings) == {"emergency-role"}
	_codes(_urgent, f.set(f.settings, "/emergency/roles", {})) == {"emergency-role"}
}

test_every_role_is_marked if {
	document := f.set(_urgent, "/bindings/1", {"role": {"id": "gcp/viewer"}})
	{[violation.code, violation.binding] | some violation in _found(document, f.settings)} == {["emergency-role", 1]}
}

test_deny_who_is_not_on_call if {
	every odd in [[], ["desk"], null, "payments", {"payments": true}] {
		found := _found(f.set(_urgent, "/subject/on_call", odd), f.settings)
		f.codes(found) == {"emergency-not-on-call"}
		some violation in found
		violation.values == {"name": "alice", "role": "aws/rds-reader", "rotations": ["payments"]}
	}
	_codes(f.without(_urgent, "/subject/on_call"), f.settings) == {"emergency-not-on-call"}
}

test_one_rotation_of_several_is_enough if {
	_codes(_urgent, f.set(f.settings, "/emergency/roles/aws~1rds-reader", ["night", "payments"])) == set()
}

test_deny_roles_that_are_misread if {
	every odd in [null, [], "payments", [""], [1], {"payments": true}, true] {
		settings := f.set(f.settings, "/emergency/roles/aws~1rds-reader", odd)
		_codes(_urgent, settings) == {"emergency-role"}
	}
	_codes(_urgent, f.without(f.settings, "/emergency/roles")) == {"emergency-role"}
	_codes(_urgent, f.set(f.settings, "/emergency/roles", ["aws/rds-reader"])) == {"emergency-role"}
}

# Duration and start.

test_deny_a_long_emergency if {
	_codes(f.set(_urgent, "/grant/duration", 3601), f.settings) == {"emergency-duration"}
	_codes(_extended(f.set(_urgent, "/grant/duration", 3601), true), f.settings) == {"emergency-duration"}
}

test_deny_an_emergency_of_no_known_time if {
	every odd in [null, "3600", 0, -1, true, [60], {}] {
		_codes(f.set(_urgent, "/grant/duration", odd), f.settings) == {"emergency-duration"}
	}
	_codes(f.without(_urgent, "/grant/duration"), f.settings) == {"emergency-duration"}
	every odd in [null, "3600", 0] {
		_codes(_urgent, f.set(f.settings, "/emergency/max_duration", odd)) == {"emergency-duration"}
	}
}

test_deny_an_emergency_with_a_start if {
	_codes(f.set(_urgent, "/grant/start", _now), f.settings) == {"emergency-start"}
	_codes(f.without(_urgent, "/grant/start"), f.settings) == {"emergency-start"}
}

# Who asks.

test_deny_an_emergency_of_somebody_else if {
	every change in [
		["/requester/principal", "bob"],
		["/requester/principal", null],
		["/requester/is_app", true],
		["/requester/is_app", null],
		["/grant/requested_by", "alice"],
		["/subject/kind", "workload"],
		["/subject/kind", null],
	] {
		_codes(f.set(_urgent, change[0], change[1]), f.settings) == {"emergency-requester"}
	}
	every path in [
		"/requester/principal",
		"/requester/is_app",
		"/grant/requested_by",
		"/subject/kind",
		"/subject/name",
	] {
		_codes(f.without(_urgent, path), f.settings) == {"emergency-requester"}
	}
}

test_deny_an_emergency_of_nobody if {
	document := f.set(f.set(_urgent, "/requester/principal", null), "/subject/name", null)
	_codes(document, f.settings) == {"emergency-requester"}
}

# Reviews.

test_an_unreviewed_use_blocks_in_time if {
	_codes(_used((_now - 86400) + 1, false), f.settings) == set()
	_codes(_used(_now - 86400, false), f.settings) == {"emergency-debt"}
	_codes(_used(_now - 86400, true), f.settings) == set()
	some violation in _found(_used(_now - 86400, false), f.settings)
	violation.values == {"name": "alice", "limit": 86400, "grants": ["alice/night"]}
}

test_deny_uses_that_cannot_be_read if {
	every odd in [null, "true", 1] {
		_codes(_used(_now, odd), f.settings) == {"emergency-debt"}
	}
	every odd in [null, "0", true] {
		_codes(_used(odd, true), f.settings) == {"emergency-debt"}
	}
	every odd in [null, "none", {}, [null], ["alice/night"]] {
		_codes(f.set(_urgent, "/emergencies", odd), f.settings) == {"emergency-debt"}
	}
	_codes(f.without(_urgent, "/emergencies"), f.settings) == {"emergency-debt"}
	_codes(f.without(_used(_now, true), "/emergencies/1/reviewed"), f.settings) == {"emergency-debt"}
	_codes(f.without(_used(_now, true), "/emergencies/1/start"), f.settings) == {"emergency-debt"}
	_codes(f.without(_used(_now, true), "/emergencies/1/grant"), f.settings) == {"emergency-debt"}
	_codes(f.without(_urgent, "/now"), f.settings) == {"emergency-debt"}
}

test_deny_without_a_time_to_review if {
	every odd in [null, "86400", 0] {
		_codes(_urgent, f.set(f.settings, "/emergency/review_within", odd)) == {"emergency-debt"}
		_codes(_used(_now, false), f.set(f.settings, "/emergency/review_within", odd)) == {"emergency-debt"}
	}
}

test_without_settings_there_is_no_emergency if {
	_codes(_urgent, {}) == {"emergency-role", "emergency-duration", "emergency-debt"}
}

test_less_access_is_not_its_business if {
	document := f.set(f.set(_urgent, "/change", "narrow"), "/subject/on_call", [])
	_codes(document, {}) == set()
	_alone(document) == set()
	_codes(f.set(document, "/grant/emergency", "true"), {}) == set()
}

test_only_uses_with_a_name_are_told if {
	found := _found(
		f.set(_urgent, "/emergencies", [
			{"grant": "alice/night", "start": 0, "reviewed": false},
			{"grant": "", "start": 0, "reviewed": false},
			{"grant": 1, "start": 0, "reviewed": false},
		]),
		f.settings,
	)
	f.codes(found) == {"emergency-debt"}
	some violation in found
	violation.values.grants == ["alice/night"]
}

test_allow_an_emergency_of_a_second if _codes(f.set(_urgent, "/grant/duration", 1), f.settings) == set()
