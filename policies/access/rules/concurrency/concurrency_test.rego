package access.rules.concurrency_test

import data.access.rules.concurrency
import data.lib.fixtures_test as f

_codes(document, settings) := codes if {
	codes := f.codes(concurrency.deny) with input as document with data.settings as settings
}

_life(grant, end) := {"grant": grant, "target": "gcp/lab", "role": "gcp/viewer", "start": 0, "end": end, "added": 0}

_asked(grant, added) := f.set(_life(grant, f.request.now), "/added", added)

_both := {"too-many-live", "too-many-requests"}

_beside(lives) := f.set(f.request, "/lives", lives)

_later := f.request.now + 1

test_allow_as_many_as_allowed if _codes(_beside([_life("alice/a", _later)]), f.settings) == set()

test_deny_one_more if {
	document := _beside([_life("alice/a", _later), _life("alice/b", _later)])
	_codes(document, f.settings) == {"too-many-live"}
}

test_allow_beside_what_has_ended if {
	document := _beside([_life("alice/a", _later), _life("alice/b", f.request.now)])
	_codes(document, f.settings) == set()
}

test_a_grant_counts_once if {
	document := _beside([_life("alice/a", _later), _life("alice/a", _later + 1), _life("alice/payouts", _later)])
	_codes(document, f.settings) == set()
}

test_deny_without_the_setting if _codes(f.request, {}) == _both

test_deny_with_lives_unknown if _codes(f.without(f.request, "/lives"), f.settings) == _both

test_deny_with_lives_that_are_no_list if {
	_codes(_beside(null), f.settings) == _both
	_codes(_beside({"0": _life("alice/a", _later)}), f.settings) == _both
}

test_deny_with_a_life_unreadable if {
	_codes(_beside([{"grant": "alice/a", "added": 0}]), f.settings) == {"too-many-live"}
	_codes(_beside([{"grant": "alice/a", "end": 0}]), f.settings) == {"too-many-requests"}
	_codes(_beside([{"end": 0, "added": 0}]), f.settings) == _both
}

test_deny_a_grant_without_id if {
	_codes(f.without(f.request, "/grant/id"), f.settings) == {"too-many-live"}
}

test_deny_without_now if _codes(f.without(f.request, "/now"), f.settings) == _both

_since(seconds) := _asked("alice/b", f.request.now - seconds)

_one := _asked("alice/a", f.request.now)

test_allow_as_many_requests_as_allowed if _codes(_beside([_one, _since(86399)]), f.settings) == set()

test_deny_one_request_more if {
	document := _beside([_one, _since(86399), _since(86398)])
	_codes(document, f.settings) == {"too-many-requests"}
}

test_requests_a_day_old_do_not_count if {
	_codes(_beside([_one, _since(86399), _asked("alice/c", f.request.now - 86400)]), f.settings) == set()
}

test_a_request_for_several_lines_counts_once if {
	several := [_one, f.set(_one, "/role", "gcp/editor"), f.set(_one, "/target", "gcp/other"), _since(1)]
	_codes(_beside(several), f.settings) == set()
}

test_deny_requests_without_limit if {
	every value in [null, "3", 0, -1, [3]] {
		_codes(f.request, f.set(f.settings, "/limits/max_requests_per_day", value)) == {"too-many-requests"}
	}
	_codes(f.request, f.without(f.settings, "/limits/max_requests_per_day")) == {"too-many-requests"}
}

test_values_name_the_requests if {
	document := _beside([_one, _since(2), _since(1)])
	found := concurrency.deny with input as document with data.settings as f.settings
	found == {{"code": "too-many-requests", "binding": -1, "values": {"count": 4, "limit": 3}}}
}
