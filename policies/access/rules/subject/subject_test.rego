package access.rules.subject_test

import data.access.rules.subject
import data.lib.fixtures_test as f

_codes(document) := codes if {
	codes := f.codes(subject.deny) with input as document with data.settings as f.settings
}

test_allow_an_enabled_subject if _codes(f.request) == set()

test_deny_a_disabled_subject if _codes(f.set(f.request, "/subject/disabled", true)) == {"subject-disabled"}

test_deny_a_subject_not_said_to_be_enabled if {
	_codes(f.without(f.request, "/subject/disabled")) == {"subject-disabled"}
}

test_less_access_is_not_its_business if {
	every change in ["narrow", "delete"] {
		_codes(f.set(f.set(f.request, "/subject/disabled", true), "/change", change)) == set()
	}
}
