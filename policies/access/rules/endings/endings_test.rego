package access.rules.endings_test

import data.access.rules.endings
import data.lib.fixtures_test as f

_codes(document) := codes if {
	codes := f.codes(endings.deny) with input as document with data.settings as f.settings
}

_revived := f.set(f.request, "/revives", true)

test_allow_what_is_new if _codes(f.request) == set()

test_deny_the_revert_of_a_revert if _codes(_revived) == {"grant-revived"}

test_allow_an_extension_that_comes_to_it_again if {
	_codes(f.set(_revived, "/change", "widen")) == set()
	_codes(f.set(_revived, "/change", "same")) == set()
}

test_deny_where_nothing_is_said_about_it if {
	every change in ["create", "widen", "same"] {
		every value in [null, "false", 0] {
			_codes(f.set(f.set(f.request, "/change", change), "/revives", value)) == {"grant-revived"}
		}
		_codes(f.without(f.set(f.request, "/change", change), "/revives")) == {"grant-revived"}
	}
}

test_less_access_is_not_its_business if _codes(f.set(_revived, "/change", "delete")) == set()
