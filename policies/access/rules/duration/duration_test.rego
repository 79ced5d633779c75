package access.rules.duration_test

import data.access.rules.duration
import data.lib.fixtures_test as f

_codes(document, settings) := codes if {
	codes := f.codes(duration.deny) with input as document with data.settings as settings
}

_lasting(seconds) := f.set(
	f.set(f.request, "/grant/duration", seconds),
	"/window/end", f.request.window.start + seconds,
)

_after(hours) := f.set(f.request, "/lives", [{
	"grant": "alice/earlier",
	"target": "aws/payments-prod",
	"role": "aws/rds-reader",
	"start": f.request.window.start - ((hours + 1) * 3600),
	"end": f.request.window.start - (hours * 3600),
}])

_everywhere := {"duration-over-role", "duration-over-environment", "duration-over-settings"}

test_allow_at_the_limit if _codes(_lasting(7200), f.settings) == set()

test_deny_over_the_role if _codes(_lasting(7201), f.settings) == {"duration-over-role"}

test_deny_over_everything if _codes(_lasting(43201), f.settings) == _everywhere

test_deny_without_role_maximum if {
	_codes(f.without(f.request, "/bindings/0/role/max_duration"), f.settings) == {"duration-over-role"}
}

test_deny_in_an_environment_without_maximum if {
	_codes(f.set(f.request, "/bindings/0/target/environment", "lab"), f.settings) == {"duration-over-environment"}
}

test_deny_without_environment if {
	_codes(f.without(f.request, "/bindings/0/target/environment"), f.settings) == {"duration-over-environment"}
}

test_deny_without_settings if {
	_codes(f.request, {}) == {"duration-over-role", "duration-over-environment", "duration-over-settings"}
}

test_deny_with_text_as_duration if _codes(f.set(f.request, "/grant/duration", "7200"), f.settings) == _everywhere

test_deny_with_text_as_limit if {
	settings := f.set(f.settings, "/limits/max_duration", "43200")
	_codes(f.request, settings) == {"duration-over-settings"}
}

test_deny_the_sum_over_lives if _codes(_after(23), f.settings) == {"duration-over-role"}

test_allow_a_day_later if _codes(_after(24), f.settings) == set()

test_deny_with_lives_unknown if _codes(f.set(f.request, "/lives", null), f.settings) == _everywhere

test_deny_with_a_life_unreadable if {
	document := f.set(_after(48), "/lives/0/end", "late")
	_codes(document, f.settings) == _everywhere
}

test_allow_pipeline_for_an_hour if {
	document := f.set(_lasting(3600), "/bindings/0/target/expiry", "pipeline")
	_codes(document, f.settings) == set()
}

test_deny_pipeline_for_longer if {
	document := f.set(_lasting(3601), "/bindings/0/target/expiry", "pipeline")
	_codes(document, f.settings) == {"duration-over-pipeline"}
}

test_values_name_limit_and_sum if {
	document := _lasting(7201)
	found := duration.deny with input as document with data.settings as f.settings
	found == {{
		"code": "duration-over-role",
		"binding": 0,
		"values": {"target": "aws/payments-prod", "role": "aws/rds-reader", "seconds": 7201, "limit": 7200},
	}}
}
