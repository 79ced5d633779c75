package access.rules.separation_test

import data.access.rules.separation
import data.lib.fixtures_test as f

_found(document, settings) := found if {
	found := separation.deny with input as document with data.settings as settings
}

_codes(document, settings) := f.codes(_found(document, settings))

_conflicts(document) := {[violation.binding, violation.values.role, violation.values.other, violation.values.where] |
	some violation in _found(document, _settings)
}

_settings := f.set(f.settings, "/separation/combinations", {"pay-and-approve": {
	"one": ["aws/rds-reader", "aws/payout-writer"],
	"other": ["gcp/payout-approver"],
}})

_life(role, start, end) := f.set(f.request, "/lives", [{
	"grant": "alice/other",
	"target": "gcp/lab",
	"role": role,
	"start": start,
	"end": end,
}])

_second(role) := f.set(f.request, "/bindings/1", {"target": {"id": "gcp/lab"}, "role": {"id": role}})

_start := f.request.window.start

_end := f.request.window.end

test_without_combinations_all_is_allowed if {
	_codes(_life("gcp/payout-approver", _start, _end), f.settings) == set()
}

test_allow_one_side_only if {
	_codes(f.request, _settings) == set()
	_codes(_second("aws/payout-writer"), _settings) == set()
	_codes(_life("aws/payout-writer", _start, _end), _settings) == set()
	_codes(f.set(f.request, "/subject/standing", [{"target": "aws/x", "role": "aws/rds-reader"}]), _settings) == set()
}

test_allow_a_role_that_is_on_no_side if {
	document := f.set(f.request, "/bindings/0/role/id", "aws/other")
	every held in ["aws/payout-writer", "gcp/payout-approver"] {
		_codes(f.set(document, "/subject/standing", [{"target": "aws/x", "role": held}]), _settings) == set()
	}
	every role in ["aws/payout-writer", "gcp/payout-approver"] {
		asked := f.set(f.request, "/bindings/0/role/id", role)
		_codes(f.set(asked, "/subject/standing", [{"target": "aws/x", "role": "aws/y"}]), _settings) == set()
	}
}

test_deny_both_within_a_grant if {
	_conflicts(_second("gcp/payout-approver")) == {
		[0, "aws/rds-reader", "gcp/payout-approver", "alice/payouts"],
		[1, "gcp/payout-approver", "aws/rds-reader", "alice/payouts"],
	}
}

test_deny_both_at_the_same_time if {
	_conflicts(_life("gcp/payout-approver", _end - 1, _end + 60)) == {[0, "aws/rds-reader", "gcp/payout-approver", "alice/other"]}
	_conflicts(_life("gcp/payout-approver", _start - 60, _start + 1)) == {[0, "aws/rds-reader", "gcp/payout-approver", "alice/other"]}
}

test_allow_one_after_the_other if {
	_codes(_life("gcp/payout-approver", _end, _end + 60), _settings) == set()
	_codes(_life("gcp/payout-approver", _start - 60, _start), _settings) == set()
}

test_deny_beside_standing_access if {
	document := f.set(f.request, "/subject/standing", [{"target": "gcp/lab", "role": "gcp/payout-approver"}])
	_conflicts(document) == {[0, "aws/rds-reader", "gcp/payout-approver", "standing"]}
}

test_each_combination_is_named if {
	settings := f.set(_settings, "/separation/combinations/again", {
		"one": ["gcp/payout-approver"],
		"other": ["aws/rds-reader"],
	})
	{violation.values.combination |
		some violation in _found(_life("gcp/payout-approver", _start, _end), settings)
	} == {"again", "pay-and-approve"}
}

test_deny_without_combinations_set if {
	_codes(f.request, f.without(f.settings, "/separation/combinations")) == {"toxic-combination"}
	_codes(f.request, null) == {"toxic-combination"}
}

test_deny_combinations_that_are_misread if {
	entry := {"one": ["a/b"], "other": ["c/d"]}
	every odd in [
		null,
		[],
		{},
		f.without(entry, "/one"),
		f.without(entry, "/other"),
		f.set(entry, "/one", []),
		f.set(entry, "/other", []),
		f.set(entry, "/one", "a/b"),
		f.set(entry, "/other", [1]),
		f.set(entry, "/other", ["c/d", "a/b"]),
		f.set(entry, "/third", ["e/f"]),
	] {
		_codes(f.request, f.set(f.settings, "/separation/combinations", {"odd": odd})) == {"toxic-combination"}
	}
	_codes(f.request, f.set(f.settings, "/separation/combinations", {"fine": entry})) == set()
}

test_deny_what_cannot_be_read if {
	every path in [
		"/window/start",
		"/window/end",
		"/bindings/0/role/id",
		"/lives",
		"/lives/0/grant",
		"/lives/0/role",
		"/lives/0/start",
		"/lives/0/end",
		"/subject/standing",
		"/subject/standing/0/role",
	] {
		document := f.set(
			_life("aws/x", _start, _end),
			"/subject/standing",
			[{"target": "aws/x", "role": "aws/y"}],
		)
		_codes(document, _settings) == set()
		_codes(f.without(document, path), _settings) == {"toxic-combination"}
		_codes(f.set(document, path, null), _settings) == {"toxic-combination"}
	}
}

test_deny_what_is_held_in_no_list if {
	held := _life("gcp/payout-approver", _start, _end).lives[0]
	every path in ["/lives", "/subject/standing"] {
		_codes(f.set(f.request, path, [held]), _settings) == {"toxic-combination"}
		_codes(f.set(f.request, path, {"first": held}), _settings) == {"toxic-combination"}
	}
}

test_values_of_what_cannot_be_read_name_the_role if {
	_found(f.set(f.request, "/lives", null), _settings) == {{
		"code": "toxic-combination",
		"binding": 0,
		"values": {"combination": null, "role": "aws/rds-reader", "other": null, "where": null},
	}}
}

test_less_access_is_not_its_business if {
	document := f.set(_second("gcp/payout-approver"), "/change", "narrow")
	_codes(document, _settings) == set()
}
