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

test_deny_what_matches_one_alternative_at_one_end if {
	settings := f.set(f.settings, "/justification/ticket_pattern", "^PAY-[0-9]+|OPS-[0-9]+$")
	_codes(f.request, settings) == set()
	_codes(f.set(f.request, "/grant/ticket", "PAY-1 see chat"), settings) == {"ticket-malformed"}
}
