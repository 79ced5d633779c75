package access.rules.workloads_test

import data.access.rules.workloads
import data.lib.fixtures_test as f

_codes(document, settings) := codes if {
	codes := f.codes(workloads.deny) with input as document with data.settings as settings
}

_workload := f.set(f.set(f.set(f.request, "/subject/kind", "workload"), "/subject/owner", "bob"), "/grant/duration", 3600)

_interactive := f.set(f.request, "/bindings/0/role/interactive", true)

test_people_are_not_its_business if {
	_codes(f.request, {}) == set()
	_codes(_interactive, {}) == set()
}

test_allow_a_workload if _codes(_workload, f.settings) == set()

test_deny_a_workload_for_longer if {
	_codes(f.set(_workload, "/grant/duration", 3601), f.settings) == {"workload-duration"}
}

test_allow_a_workload_a_second if _codes(f.set(_workload, "/grant/duration", 1), f.settings) == set()

test_deny_a_workload_for_no_known_time if {
	every odd in [null, "3600", 0, -1, true, [60], {}] {
		_codes(f.set(_workload, "/grant/duration", odd), f.settings) == {"workload-duration"}
	}
	_codes(f.without(_workload, "/grant/duration"), f.settings) == {"workload-duration"}
}

test_deny_a_workload_without_the_setting if {
	every odd in [null, "3600", 0, [3600]] {
		_codes(_workload, f.set(f.settings, "/workloads/max_duration", odd)) == {"workload-duration"}
	}
	_codes(_workload, {}) == {"workload-duration"}
}

test_deny_a_workload_what_is_for_people if {
	every odd in [true, null, "false", 0] {
		_codes(f.set(_workload, "/bindings/0/role/interactive", odd), f.settings) == {"workload-interactive"}
	}
	_codes(f.without(_workload, "/bindings/0/role/interactive"), f.settings) == {"workload-interactive"}
}

test_deny_a_workload_that_nobody_owns if {
	every odd in [null, "", 1, ["bob"]] {
		_codes(f.set(_workload, "/subject/owner", odd), f.settings) == {"workload-unowned"}
	}
	_codes(f.without(_workload, "/subject/owner"), f.settings) == {"workload-unowned"}
}

test_deny_what_is_neither_person_nor_workload if {
	every odd in [null, "", "robot", 1] {
		_codes(f.set(f.request, "/subject/kind", odd), f.settings) == {"workload-unowned"}
	}
	_codes(f.without(f.request, "/subject/kind"), f.settings) == {"workload-unowned"}
	_codes(f.set(_workload, "/subject/kind", "robot"), f.settings) == {"workload-unowned"}
}

test_less_access_is_not_its_business if {
	document := f.set(f.set(_workload, "/subject/owner", null), "/bindings/0/role/interactive", true)
	every change in ["narrow", "delete"] {
		_codes(f.set(document, "/change", change), {}) == set()
	}
}
