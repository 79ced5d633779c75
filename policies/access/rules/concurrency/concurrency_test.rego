package access.rules.concurrency_test

import data.access.rules.concurrency
import data.lib.fixtures_test as f

_codes(document, settings) := codes if {
	codes := f.codes(concurrency.deny) with input as document with data.settings as settings
}

_life(grant, end) := {"grant": grant, "target": "gcp/lab", "role": "gcp/viewer", "start": 0, "end": end}

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

test_deny_without_the_setting if _codes(f.request, {}) == {"too-many-live"}

test_deny_with_lives_unknown if _codes(f.without(f.request, "/lives"), f.settings) == {"too-many-live"}

test_deny_with_a_life_unreadable if _codes(_beside([{"grant": "alice/a"}]), f.settings) == {"too-many-live"}
