package access.rules.eligibility_test

import data.access.rules.eligibility
import data.lib.fixtures_test as f

_codes(document, settings) := codes if {
	codes := f.codes(eligibility.deny) with input as document with data.settings as settings
}

_denied := {"not-eligible"}

_listing(entry) := f.set(f.settings, "/eligibility/entries", {"one": entry})

# An entry that fits the request, with one thing changed.
_with(key, value) := f.set(_listing(_entry), concat("/", ["/eligibility/entries/one", key]), value)

_without(key) := _listing(object.remove(_entry, [key]))

_entry := {
	"teams": ["engineering"],
	"principals": ["bob"],
	"roles": ["aws/rds-reader"],
	"targets": ["aws/payments-prod"],
	"environments": ["prod"],
	"tags": {"pci": "true", "tier": "1"},
}

_asked := f.set(f.request, "/bindings/0/target/tags", {"pci": "true", "tier": "1", "more": "x"})

_bot := f.set(f.set(_asked, "/subject/kind", "workload"), "/subject/name", "bob")

test_allow_what_is_listed if {
	_codes(f.request, f.settings) == set()
	_codes(_asked, _listing(_entry)) == set()
}

test_deny_everybody_where_nothing_is_listed if {
	_codes(_asked, f.set(f.settings, "/eligibility/entries", {})) == _denied
}

test_deny_without_settings if {
	_codes(_asked, {}) == _denied
	every value in [null, "aws/*", [_entry], 1, {"one": null}, {"one": "engineering"}, {"one": [_entry]}] {
		_codes(_asked, f.set(f.settings, "/eligibility/entries", value)) == _denied
	}
}

test_deny_another_team if {
	_codes(f.set(_asked, "/subject/teams", ["engineers", "Engineering", ""]), _listing(_entry)) == _denied
	_codes(f.set(_asked, "/subject/teams", []), _listing(_entry)) == _denied
	_codes(_asked, _with("teams", ["engineers"])) == _denied
}

test_allow_one_team_of_several if {
	_codes(f.set(_asked, "/subject/teams", ["a", "engineering"]), _with("teams", ["b", "engineering"])) == set()
}

test_deny_with_teams_unknown if {
	_codes(f.without(_asked, "/subject/teams"), _listing(_entry)) == _denied
	every teams in [null, "engineering", {"0": "engineering"}, [["engineering"]]] {
		_codes(f.set(_asked, "/subject/teams", teams), _listing(_entry)) == _denied
	}
}

test_allow_who_is_named if {
	document := f.set(f.set(_asked, "/subject/teams", []), "/subject/name", "bob")
	_codes(document, _listing(_entry)) == set()
	_codes(document, _without("teams")) == set()
	_codes(f.without(document, "/subject/teams"), _listing(_entry)) == set()
}

test_deny_without_a_name if {
	document := f.set(f.set(_asked, "/subject/teams", []), "/subject/name", "bob")
	_codes(f.without(document, "/subject/name"), _listing(_entry)) == _denied
	every odd in [null, 1, true, ["bob"], {"bob": "bob"}] {
		_codes(f.set(document, "/subject/name", odd), _listing(_entry)) == _denied
	}
	_codes(document, _without("principals")) == _denied
}

test_allow_a_workload_that_is_named if _codes(_bot, _listing(_entry)) == set()

test_deny_a_workload_by_its_teams if _codes(_bot, _without("principals")) == _denied

test_deny_a_subject_of_no_kind if {
	every document in [_asked, _bot] {
		_codes(f.without(document, "/subject/kind"), _listing(_entry)) == _denied
		_codes(f.set(document, "/subject/kind", null), _listing(_entry)) == _denied
	}
}

test_deny_another_role if {
	_codes(f.set(_asked, "/bindings/0/role/id", "aws/rds-reader2"), _listing(_entry)) == _denied
	_codes(_asked, _with("roles", ["gcp/*", "azure/*", "gcp/rds-reader"])) == _denied
}

test_deny_without_role if {
	_codes(f.without(_asked, "/bindings/0/role/id"), _with("roles", ["aws/*"])) == _denied
	_codes(f.set(_asked, "/bindings/0/role/id", 1), _with("roles", ["aws/*"])) == _denied
}

test_allow_every_role_of_a_cloud if {
	every cloud in ["aws", "azure", "gcp"] {
		document := f.set(_asked, "/bindings/0/role/id", concat("/", [cloud, "reader"]))
		_codes(document, _with("roles", [concat("/", [cloud, "*"])])) == set()
	}
}

test_no_other_wildcard_fits_anything if {
	every listed in ["*", "aws/rds-*", "*/rds-reader", "moon/*"] {
		_codes(_asked, _with("roles", [listed])) == _denied
		_codes(_asked, _with("targets", [listed])) == _denied
	}
	_codes(f.set(_asked, "/bindings/0/role/id", "moon/reader"), _with("roles", ["moon/*"])) == _denied
}

test_deny_another_target if {
	_codes(f.set(_asked, "/bindings/0/target/id", "aws/payments-prod2"), _listing(_entry)) == _denied
	_codes(_asked, _with("targets", ["aws/other", "gcp/*"])) == _denied
}

test_deny_without_target if {
	_codes(f.without(_asked, "/bindings/0/target/id"), _with("targets", ["aws/*"])) == _denied
	_codes(f.set(_asked, "/bindings/0/target/id", 1), _with("targets", ["aws/*"])) == _denied
	_codes(f.without(_asked, "/bindings/0/target"), _listing(_entry)) == _denied
}

test_allow_every_target_of_a_cloud if _codes(_asked, _with("targets", ["gcp/*", "aws/*"])) == set()

test_deny_another_environment if {
	_codes(f.set(_asked, "/bindings/0/target/environment", "lab"), _listing(_entry)) == _denied
	every odd in [null, 1, true, ["prod"], {"prod": "prod"}] {
		_codes(f.set(_asked, "/bindings/0/target/environment", odd), _listing(_entry)) == _denied
	}
	_codes(f.without(_asked, "/bindings/0/target/environment"), _listing(_entry)) == _denied
}

test_deny_another_tag if {
	_codes(f.set(_asked, "/bindings/0/target/tags/pci", "false"), _listing(_entry)) == _denied
	_codes(f.set(_asked, "/bindings/0/target/tags/pci", true), _listing(_entry)) == _denied
	_codes(f.without(_asked, "/bindings/0/target/tags/tier"), _listing(_entry)) == _denied
	_codes(f.without(_asked, "/bindings/0/target/tags"), _listing(_entry)) == _denied
	every odd in [null, "pci", "true", 1, true, ["true", "1"], [{"pci": "true", "tier": "1"}]] {
		_codes(f.set(_asked, "/bindings/0/target/tags", odd), _listing(_entry)) == _denied
	}
}

test_a_selector_that_is_not_there_asks_for_nothing if {
	every key in ["targets", "environments", "tags"] {
		_codes(_asked, _without(key)) == set()
	}
}

test_an_entry_without_people_roles_or_targets_fits_nothing if {
	every keys in [["teams", "principals"], ["roles"], ["targets", "environments", "tags"]] {
		_codes(_asked, _listing(object.remove(_entry, keys))) == _denied
	}
}

test_an_entry_with_anything_odd_fits_nothing if {
	every key in ["teams", "principals", "roles", "targets", "environments", "tags", "environment"] {
		every value in [null, "engineering", [], [1], [""], {}, {"pci": true}] {
			_codes(_asked, _with(key, value)) == _denied
		}
	}
	_codes(_asked, _with("environment", ["aws/*"])) == _denied
	_codes(_asked, _with("environment", ["prod"])) == _denied
}

test_another_entry_may_fit if {
	settings := f.set(_with("roles", ["gcp/*"]), "/eligibility/entries/two", _entry)
	_codes(_asked, settings) == set()
}

test_two_entries_do_not_fit_together if {
	settings := f.set(_with("roles", ["gcp/*"]), "/eligibility/entries/two", object.union(_entry, {"teams": ["other"]}))
	_codes(_asked, settings) == _denied
}

test_each_line_is_judged if {
	second := f.set(_asked.bindings[0], "/role/id", "aws/admin")
	found := eligibility.deny with input as f.set(_asked, "/bindings/1", second) with data.settings as _listing(_entry)
	found == {{
		"code": "not-eligible",
		"binding": 1,
		"values": {"subject": "alice", "role": "aws/admin", "target": "aws/payments-prod"},
	}}
}

test_less_access_needs_no_eligibility if {
	every change in ["narrow", "delete"] {
		_codes(f.set(_asked, "/change", change), {}) == set()
	}
	_codes(f.governance, {}) == set()
}
