package access.rules.justification_test

import data.access.rules.justification
import data.lib.fixtures_test as f

_codes(document, settings) := codes if {
	codes := f.codes(justification.deny) with input as document with data.settings as settings
}

test_allow_a_reason_and_a_ticket if _codes(f.request, f.settings) == set()

test_allow_a_reason_just_long_enough if {
	_codes(f.set(f.request, "/grant/reason_length", 20), f.settings) == set()
}

test_deny_a_shorter_reason if {
	_codes(f.set(f.request, "/grant/reason_length", 19), f.settings) == {"reason-short"}
}

test_deny_without_a_minimum if {
	_codes(f.request, f.without(f.settings, "/justification/min_length")) == {"reason-short"}
}

test_deny_boilerplate if {
	document := f.set(f.request, "/grant/reason_folded", "production access required")
	_codes(document, f.settings) == {"reason-boilerplate"}
}

test_deny_without_a_list_of_boilerplate if {
	_codes(f.request, f.without(f.settings, "/justification/boilerplate")) == {"reason-boilerplate"}
}

test_deny_production_without_ticket if {
	_codes(f.set(f.request, "/grant/ticket", null), f.settings) == {"ticket-missing"}
}

test_deny_an_empty_ticket if {
	_codes(f.set(f.request, "/grant/ticket", ""), f.settings) == {"ticket-missing", "ticket-malformed"}
}

test_allow_elsewhere_without_ticket if {
	document := f.set(f.set(f.request, "/grant/ticket", null), "/bindings/0/target/environment", "dev")
	_codes(document, f.settings) == set()
}

test_deny_without_ticket_where_no_environment_is_listed if {
	document := f.set(f.request, "/grant/ticket", null)
	_codes(document, f.without(f.settings, "/justification/ticket_environments")) == {"ticket-missing"}
}

test_deny_another_form_of_ticket if {
	_codes(f.set(f.request, "/grant/ticket", "PAY-1423 or so"), f.settings) == {"ticket-malformed"}
}

test_deny_without_ticket_said if {
	_codes(f.without(f.request, "/grant/ticket"), f.settings) == {"ticket-missing", "ticket-malformed"}
}

test_deny_a_pattern_open_at_its_ends if {
	settings := f.set(f.settings, "/justification/ticket_pattern", "PAY")
	_codes(f.request, settings) == {"ticket-malformed"}
}

_of(project, ticket) := f.set(
	f.set(f.request, "/bindings/0/target/tags", {"project": project}),
	"/grant/ticket", ticket,
)

_other := {"ticket-of-other-project"}

test_allow_a_ticket_of_the_project if _codes(_of("payments", "PAY-1"), f.settings) == set()

test_deny_a_ticket_of_another_project if _codes(_of("payments", "OPS-1"), f.settings) == _other

test_deny_a_ticket_that_only_begins_as_one_of_the_project if {
	_codes(_of("payments", "PAY-1A"), f.settings) == _other | {"ticket-malformed"}
}

test_deny_a_project_that_is_listed_without_ticket if {
	document := f.set(_of("payments", null), "/bindings/0/target/environment", "dev")
	_codes(document, f.settings) == _other
	_codes(f.without(document, "/grant/ticket"), f.settings) == _other | {"ticket-malformed"}
}

test_allow_any_ticket_for_a_project_that_is_not_listed if {
	_codes(_of("ledger", "OPS-1"), f.settings) == set()
}

test_allow_any_ticket_for_a_target_without_project if {
	_codes(f.set(f.request, "/bindings/0/target/tags", {"pci": "true"}), f.settings) == set()
}

test_deny_a_project_that_is_no_text if _codes(_of(1, "PAY-1"), f.settings) == _other

test_deny_without_tags if {
	_codes(f.without(f.request, "/bindings/0/target/tags"), f.settings) == _other
	_codes(f.set(f.request, "/bindings/0/target/tags", null), f.settings) == _other
}

test_deny_without_patterns_by_project if {
	_codes(f.request, f.without(f.settings, "/justification/ticket_pattern_by_project")) == _other
	every value in [null, "^PAY-1$", ["^PAY-1$"], 1] {
		settings := f.set(f.settings, "/justification/ticket_pattern_by_project", value)
		_codes(f.request, settings) == _other
		_codes(_of("payments", "PAY-1"), settings) == _other
	}
}

test_deny_a_pattern_of_a_project_that_cannot_be_used if {
	every pattern in [1, "PAY-1", "^PAY-1", "PAY-1$"] {
		settings := f.set(f.settings, "/justification/ticket_pattern_by_project/payments", pattern)
		_codes(_of("payments", "PAY-1"), settings) == _other
	}
}

test_a_project_is_held_to_both_ends_of_each_alternative if {
	settings := f.set(f.settings, "/justification/ticket_pattern_by_project/payments", "^PAY-1|OPS-1$")
	_codes(_of("payments", "PAY-1"), settings) == set()
	_codes(_of("payments", "PAY-12"), settings) == _other
}

test_values_name_the_project if {
	document := _of("payments", "OPS-1")
	found := justification.deny with input as document with data.settings as f.settings
	found == {{
		"code": "ticket-of-other-project",
		"binding": 0,
		"values": {"target": "aws/payments-prod", "project": "payments", "ticket": "OPS-1", "pattern": "^PAY-[0-9]+$"},
	}}
}

test_deny_what_matches_one_alternative_at_one_end if {
	settings := f.set(f.settings, "/justification/ticket_pattern", "^PAY-[0-9]+|OPS-[0-9]+$")
	_codes(f.request, settings) == set()
	_codes(f.set(f.request, "/grant/ticket", "PAY-1 see chat"), settings) == {"ticket-malformed"}
}

test_deny_a_reason_that_is_none if {
	every odd in [null, "40", ["40"]] {
		_codes(f.set(f.request, "/grant/reason_length", odd), f.settings) == {"reason-short"}
	}
	every odd in [null, 1, ["payouts stuck"]] {
		_codes(f.set(f.request, "/grant/reason_folded", odd), f.settings) == {"reason-boilerplate"}
	}
}

test_deny_without_ticket_in_no_known_environment if {
	every odd in [null, 1, ["dev"]] {
		document := f.set(f.set(f.request, "/grant/ticket", null), "/bindings/0/target/environment", odd)
		_codes(document, f.settings) == {"ticket-missing"}
	}
}

# A place in a list is no name.
test_deny_patterns_in_a_list if {
	settings := f.set(f.settings, "/justification/ticket_pattern_by_project", ["^PAY-1$"])
	_codes(_of(0, "PAY-1"), settings) == _other
}

test_less_access_is_not_its_business if {
	every change in ["narrow", "delete"] {
		document := f.set(_of("payments", null), "/grant/reason_length", 0)
		_codes(f.set(document, "/change", change), {}) == set()
		_codes(f.set(f.set(document, "/grant/ticket", "?"), "/change", change), {}) == set()
	}
}
