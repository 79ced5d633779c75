package access.rules.subject_test

import data.access.rules.subject
import data.lib.fixtures_test as f

_codes(document) := codes if {
	codes := f.codes(subject.deny) with input as document with data.settings as f.settings
}

_mfa_required := f.set(f.request, "/bindings/0/role/mfa_required", true)

test_allow_an_enabled_subject if _codes(f.request) == set()

test_deny_a_disabled_subject if _codes(f.set(f.request, "/subject/disabled", true)) == {"subject-disabled"}

test_deny_a_subject_not_said_to_be_enabled if {
	_codes(f.without(f.request, "/subject/disabled")) == {"subject-disabled"}
}

test_deny_without_second_factor if _codes(_mfa_required) == {"mfa-missing"}

test_allow_with_second_factor if {
	_codes(f.set(_mfa_required, "/subject/identities/aws/mfa", "aws")) == set()
}

test_deny_another_clouds_second_factor if {
	document := f.set(_mfa_required, "/subject/identities/gcp", {"mfa": "identity-provider"})
	_codes(document) == {"mfa-missing"}
}

test_deny_an_unknown_second_factor if {
	_codes(f.set(_mfa_required, "/subject/identities/aws/mfa", "trust me")) == {"mfa-missing"}
}

test_deny_where_the_role_does_not_say if {
	_codes(f.without(f.request, "/bindings/0/role/mfa_required")) == {"mfa-missing"}
}
