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

_everywhere := {"duration-over-role", "duration-over-risk", "duration-over-environment", "duration-over-settings"}

# Of a risk's four hours: the role and the environment allow more.
_risky(risk, seconds) := f.set(
	f.set(f.set(_lasting(seconds), "/bindings/0/role/risk", risk), "/bindings/0/role/max_duration", 99999),
	"/bindings/0/target/environment", "lab",
)

_lab := f.set(f.settings, "/limits/max_duration_by_environment/lab", 99999)

_long := f.set(_lab, "/limits/max_duration", 99999)

_extended(seconds) := f.set(
	f.set(
		f.set(_risky("low", f.request.grant.duration + seconds), "/change", "widen"),
		"/previous", f.proven,
	),
	"/now", f.request.now + 60,
)

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
	_codes(f.request, {}) == _everywhere
	_codes(_extended(0), {}) == _everywhere | {"extension-over-settings"}
}

test_allow_at_the_limit_of_each_risk if {
	every risk, seconds in {"low": 43200, "medium": 28800, "high": 14400, "critical": 3600} {
		_codes(_risky(risk, seconds), _long) == set()
	}
}

test_deny_over_the_limit_of_each_risk if {
	every risk, seconds in {"low": 43200, "medium": 28800, "high": 14400, "critical": 3600} {
		_codes(_risky(risk, seconds + 1), _long) == {"duration-over-risk"}
	}
}

test_deny_a_risk_without_maximum if {
	_codes(_risky("grave", 60), _long) == {"duration-over-risk"}
	_codes(f.request, f.without(f.settings, "/limits/max_duration_by_risk/medium")) == {"duration-over-risk"}
	_codes(f.request, f.set(f.settings, "/limits/max_duration_by_risk", null)) == {"duration-over-risk"}
	_codes(f.request, f.set(f.settings, "/limits/max_duration_by_risk/medium", "28800")) == {"duration-over-risk"}
}

# A place in a list is no name.
test_deny_maxima_in_a_list if {
	settings := f.set(_long, "/limits/max_duration_by_risk", [99999])
	_codes(f.set(f.request, "/bindings/0/role/risk", 0), settings) == {"duration-over-risk"}
}

test_deny_without_risk if {
	_codes(f.without(f.request, "/bindings/0/role/risk"), f.settings) == {"duration-over-risk"}
	_codes(f.set(f.request, "/bindings/0/role/risk", 1), f.settings) == {"duration-over-risk"}
}

test_values_name_the_risk if {
	document := _risky("high", 14401)
	found := duration.deny with input as document with data.settings as _long
	found == {{
		"code": "duration-over-risk",
		"binding": 0,
		"values": {"target": "aws/payments-prod", "role": "aws/rds-reader", "risk": "high", "seconds": 14401, "limit": 14400},
	}}
}

test_allow_an_extension_at_the_limit if _codes(_extended(3600), _long) == set()

test_deny_an_extension_over_the_limit if _codes(_extended(3601), _long) == {"extension-over-settings"}

test_extensions_count_from_the_first_version if {
	document := f.set(_extended(3601), "/previous/grant/duration", f.request.grant.duration + 3600)
	_codes(document, _long) == {"extension-over-settings"}
	_codes(f.set(document, "/previous/first_duration", f.request.grant.duration + 1), _long) == set()
}

test_allow_the_same_again if _codes(f.set(_extended(0), "/change", "same"), _long) == set()

test_deny_an_extension_of_what_is_unknown if {
	_codes(f.without(f.request, "/previous"), f.settings) == {"extension-over-settings"}
	every first in [null, "7200", 0, -1] {
		_codes(f.set(_extended(60), "/previous/first_duration", first), _long) == {"extension-over-settings"}
	}
	_codes(f.without(_extended(60), "/previous/first_duration"), _long) == {"extension-over-settings"}
}

test_allow_an_extension_of_a_second if {
	document := f.set(_extended(60), "/previous/first_duration", 1)
	nothing := f.set(document, "/previous/first_duration", 0)
	_codes(nothing, f.set(_long, "/limits/max_extension", 99999)) == {"extension-over-settings"}
	_codes(document, f.set(_long, "/limits/max_extension", 7259)) == set()
}

test_deny_an_extension_by_nobody_knows_how_much if {
	document := f.set(_extended(60), "/grant/duration", "7260")
	"extension-over-settings" in _codes(document, _long)
}

test_deny_an_extension_without_limit if {
	every value in [null, "3600", 0, -1, [3600]] {
		settings := f.set(_long, "/limits/max_extension", value)
		_codes(_extended(60), settings) == {"extension-over-settings"}
	}
	_codes(_extended(60), f.without(_long, "/limits/max_extension")) == {"extension-over-settings"}
}

test_values_name_the_extension if {
	document := _extended(3601)
	found := duration.deny with input as document with data.settings as _long
	found == {{
		"code": "extension-over-settings",
		"binding": -1,
		"values": {"first": 7200, "seconds": 3601, "limit": 3600},
	}}
}

test_deny_with_text_as_duration if _codes(f.set(f.request, "/grant/duration", "7200"), f.settings) == _everywhere

test_deny_with_text_as_limit if {
	settings := f.set(f.settings, "/limits/max_duration", "43200")
	_codes(f.request, settings) == {"duration-over-settings"}
}

test_deny_the_sum_over_lives if _codes(_after(23), f.settings) == {"duration-over-role"}

test_allow_a_day_later if _codes(_after(24), f.settings) == set()

_before(seconds) := f.set(
	f.set(
		_after(23),
		"/lives/0/start", f.request.window.end + seconds,
	),
	"/lives/0/end", f.request.window.end + (seconds + 3600),
)

test_deny_the_sum_with_a_life_that_comes_within_a_day if {
	_codes(_before(86399), f.settings) == {"duration-over-role"}
}

test_allow_beside_a_life_that_comes_a_day_later if _codes(_before(86400), f.settings) == set()

test_allow_beside_a_life_of_something_else if {
	_codes(f.set(_after(23), "/lives/0/role", "aws/other"), f.settings) == set()
	_codes(f.set(_after(23), "/lives/0/target", "aws/other"), f.settings) == set()
}

test_allow_beside_a_life_of_no_length if {
	_codes(f.set(_after(23), "/lives/0/start", f.request.window.start - 82800), f.settings) == set()
}

test_deny_beside_a_life_that_ends_before_it_starts if {
	_codes(f.set(_after(23), "/lives/0/start", f.request.window.start - 82799), f.settings) == _everywhere
}

test_deny_a_sum_that_cannot_be_made if {
	every path in ["/window/start", "/window/end", "/bindings/0/target/id", "/bindings/0/role/id"] {
		_codes(f.without(_after(23), path), f.settings) == _everywhere
		_codes(f.set(_after(23), path, null), f.settings) == _everywhere
	}
	every key in ["target", "role", "start", "end"] {
		_codes(f.without(_after(48), concat("/", ["/lives/0", key])), f.settings) == _everywhere
		_codes(f.set(_after(48), concat("/", ["/lives/0", key]), null), f.settings) == _everywhere
	}
	_codes(f.set(f.request, "/lives", {"0": _after(48).lives[0]}), f.settings) == _everywhere
}

test_deny_no_duration if _codes(f.set(f.request, "/grant/duration", 0), f.settings) == _everywhere

test_allow_a_second if _codes(f.set(f.request, "/grant/duration", 1), f.settings) == set()

test_less_access_is_not_its_business if {
	every change in ["narrow", "delete"] {
		document := f.set(_lasting(999999), "/change", change)
		_codes(document, {}) == set()
		_codes(f.set(document, "/bindings/0/target/expiry", "pipeline"), {}) == set()
	}
}

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
