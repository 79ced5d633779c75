package access.rules.mfa_test

import data.access.rules.mfa
import data.lib.fixtures_test as f

_codes(document, settings) := codes if {
	codes := f.codes(mfa.deny) with input as document with data.settings as settings
}

_required := f.set(f.request, "/bindings/0/role/mfa_required", true)

_risk(risk) := f.set(f.request, "/bindings/0/role/risk", risk)

_proven(document, by) := f.set(document, "/subject/identities/aws/mfa", by)

test_allow_where_nothing_asks if {
	_codes(f.request, f.settings) == set()
	_codes(_proven(f.request, "aws"), f.settings) == set()
}

test_deny_a_role_that_asks if _codes(_required, f.settings) == {"mfa-missing"}

test_allow_a_role_that_asks_and_gets if {
	_codes(_proven(_required, "aws"), f.settings) == set()
	_codes(_proven(_required, "identity-provider"), f.settings) == set()
}

test_risks_ask_too if {
	every risk in ["high", "critical"] {
		_codes(_risk(risk), f.settings) == {"mfa-missing"}
		_codes(_proven(_risk(risk), "identity-provider"), f.settings) == set()
	}
	every risk in ["low", "medium"] {
		_codes(_risk(risk), f.settings) == set()
	}
}

test_deny_what_aws_would_not_check if {
	_codes(_proven(_risk("high"), "aws"), f.settings) == {"mfa-unenforced"}
	document := f.set(_risk("high"), "/bindings/0/role/mfa_required", true)
	_codes(_proven(document, "aws"), f.settings) == set()
}

test_risks_are_those_of_the_settings if {
	settings := f.set(f.settings, "/mfa/required_by_risk", ["medium"])
	_codes(_risk("high"), settings) == set()
	_codes(f.request, settings) == {"mfa-missing"}
	_codes(f.request, f.set(f.settings, "/mfa/required_by_risk", [])) == set()
}

test_deny_another_clouds_second_factor if {
	document := f.set(_required, "/subject/identities/gcp", {"mfa": "identity-provider"})
	_codes(document, f.settings) == {"mfa-missing"}
}

test_deny_an_unknown_second_factor if {
	every odd in ["trust me", "", true, ["aws"], {"aws": true}] {
		_codes(_proven(_required, odd), f.settings) == {"mfa-missing"}
	}
}

test_deny_without_each_fact if {
	every path in [
		"/subject/identities/aws/mfa",
		"/subject/identities/aws",
		"/subject/identities",
		"/bindings/0/target/cloud",
	] {
		document := _proven(_required, "identity-provider")
		_codes(f.without(document, path), f.settings) == {"mfa-missing"}
		_codes(f.set(document, path, null), f.settings) == {"mfa-missing"}
	}
	_codes(f.without(f.request, "/bindings/0/role/mfa_required"), f.settings) == {"mfa-missing"}
	_codes(f.without(f.request, "/bindings/0/role/risk"), f.settings) == {"mfa-missing"}
	by_aws := _proven(f.request, "aws")
	_codes(f.without(by_aws, "/bindings/0/role/mfa_required"), f.settings) == {"mfa-unenforced"}
	_codes(f.without(by_aws, "/bindings/0/role/risk"), f.settings) == {"mfa-unenforced"}
}

test_deny_a_risk_that_is_none if {
	every odd in [null, 1, ["low"]] {
		_codes(_risk(odd), f.settings) == {"mfa-missing"}
		_codes(_proven(_risk(odd), "aws"), f.settings) == {"mfa-unenforced"}
	}
}

# A place in a list is no name.
test_deny_identities_in_a_list if {
	document := f.set(_required, "/subject/identities", [{"mfa": "identity-provider"}])
	_codes(f.set(document, "/bindings/0/target/cloud", 0), f.settings) == {"mfa-missing"}
}

test_deny_without_the_setting if {
	every odd in [null, "high", [1], [""], {"high": true}] {
		settings := f.set(f.settings, "/mfa/required_by_risk", odd)
		_codes(f.request, settings) == {"mfa-missing"}
		_codes(_proven(f.request, "aws"), settings) == {"mfa-unenforced"}
	}
	_codes(f.request, {}) == {"mfa-missing"}
}

test_less_access_is_not_its_business if {
	every change in ["narrow", "delete"] {
		_codes(f.set(_required, "/change", change), {}) == set()
		_codes(f.set(_proven(_risk("high"), "aws"), "/change", change), {}) == set()
	}
}
