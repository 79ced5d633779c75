package access.rules.schedule_test

import data.access.rules.schedule
import data.lib.fixtures_test as f

_found(document, settings) := found if {
	found := schedule.deny with input as document with data.settings as settings
}

_codes(document, settings) := f.codes(_found(document, settings))

_start := f.request.window.start

_end := f.request.window.end

# Calendars of one interval that begins and ends some seconds before or after the window.
_open(name, before, after) := f.set(
	f.request, sprintf("/calendars/open/%s", [name]),
	[{"start": _start - before, "end": _end + after}],
)

_urgent(document) := f.set(document, "/grant/emergency", true)

_hours := f.set(f.settings, "/schedule/hours", {"prod": ["night", "office"]})

_maintenance(entry) := f.set(f.settings, "/schedule/maintenance", {"sunday": entry})

_permits := f.set(_hours, "/schedule/maintenance", {"sunday": {
	"calendar": "sunday",
	"mode": "permits",
	"targets": ["aws/payments-prod"],
}})

_requires := _maintenance({
	"calendar": "sunday",
	"mode": "requires",
	"targets": ["aws/payments-prod"],
})

_freezes := f.set(f.settings, "/schedule/freezes", {"year-end": {
	"calendar": "year-end",
	"environments": ["prod"],
}})

test_without_a_schedule_all_is_allowed if _codes(f.request, f.settings) == set()

# Hours.

test_hours_hold_the_whole_window if {
	_codes(_open("office", 0, 0), _hours) == set()
	_codes(_open("office", -1, 0), _hours) == {"outside-hours"}
	_codes(_open("office", 0, -1), _hours) == {"outside-hours"}
}

test_one_calendar_of_several_is_enough if _codes(_open("night", 0, 0), _hours) == set()

test_an_unknown_calendar_is_never_open if _codes(f.request, _hours) == {"outside-hours"}

test_hours_are_those_of_the_environment if {
	_codes(f.request, f.set(f.settings, "/schedule/hours", {"dev": ["office"]})) == set()
	_codes(f.request, f.set(f.settings, "/schedule/hours", {"prod": []})) == {"outside-hours"}
}

test_what_is_outside_is_told_with_its_calendars if {
	some violation in _found(f.request, _hours)
	violation == {"code": "outside-hours", "binding": 0, "values": {
		"target": "aws/payments-prod",
		"role": "aws/rds-reader",
		"start": _start,
		"end": _end,
		"calendars": ["night", "office"],
	}}
}

test_an_emergency_has_no_hours if _codes(_urgent(f.request), _hours) == set()

test_deny_without_an_environment if {
	_codes(f.without(f.request, "/bindings/0/target/environment"), f.settings) == {
		"outside-hours",
		"maintenance-required",
		"frozen",
	}
}

test_deny_without_window if {
	document := f.set(_open("office", 9, 9), "/window", null)
	_codes(document, _hours) == {"outside-hours"}
}

# Maintenance.

test_maintenance_permits_what_lies_wholly_inside if {
	_codes(_open("sunday", 0, 0), _permits) == set()
	_codes(_open("sunday", -1, 0), _permits) == {"outside-hours"}
	_codes(_open("sunday", 0, -1), _permits) == {"outside-hours"}
}

_permitted(entry) if {
	whole := object.union({"calendar": "sunday", "mode": "permits"}, entry)
	settings := f.set(_hours, "/schedule/maintenance", {"sunday": whole})
	_codes(_open("sunday", 0, 0), settings) == set()
}

test_maintenance_is_about_targets_or_environments if {
	_permitted({"targets": ["aws/payments-prod"]})
	not _permitted({"targets": ["aws/other"]})
	_permitted({"environments": ["prod"]})
	not _permitted({"environments": ["dev"]})
	_permitted({"targets": ["aws/other"], "environments": ["prod"]})
	_permitted({"targets": ["aws/payments-prod"], "environments": ["dev"]})
}

test_maintenance_may_be_about_some_roles if {
	_permitted({"environments": ["prod"], "roles": ["aws/rds-reader"]})
	not _permitted({"environments": ["prod"], "roles": ["aws/other"]})
}

test_maintenance_that_requires_permits_nothing if {
	settings := f.set(_hours, "/schedule/maintenance", _requires.schedule.maintenance)
	_codes(_open("sunday", 0, 0), settings) == {"outside-hours"}
}

test_hours_permit_no_maintenance_that_is_required if {
	_codes(_open("sunday", 0, 0), _requires) == set()
	_codes(_open("sunday", -1, 0), _requires) == {"maintenance-required"}
	_codes(_open("sunday", 0, -1), _requires) == {"maintenance-required"}
	_codes(f.request, _requires) == {"maintenance-required"}
}

test_only_what_it_is_about_waits_for_maintenance if {
	entry := {"calendar": "sunday", "mode": "requires"}
	_codes(f.request, _maintenance(object.union(entry, {"targets": ["aws/other"]}))) == set()
	_codes(f.request, _maintenance(object.union(entry, {"environments": ["dev"]}))) == set()
	prod := object.union(entry, {"environments": ["prod"]})
	_codes(f.request, _maintenance(prod)) == {"maintenance-required"}
	_codes(f.request, _maintenance(object.union(prod, {"roles": ["aws/other"]}))) == set()
	_codes(f.request, _maintenance(object.union(prod, {"roles": ["aws/rds-reader"]}))) == {"maintenance-required"}
}

test_every_required_maintenance_must_hold if {
	settings := f.set(_requires, "/schedule/maintenance/monday", {
		"calendar": "monday",
		"mode": "requires",
		"environments": ["prod"],
	})
	_codes(_open("sunday", 0, 0), settings) == {"maintenance-required"}
	some violation in _found(_open("sunday", 0, 0), settings)
	violation.values.calendars == ["monday"]
}

test_an_emergency_waits_for_no_maintenance if _codes(_urgent(f.request), _requires) == set()

test_deny_without_what_maintenance_is_about if {
	every path in ["/bindings/0/target/id", "/bindings/0/role/id"] {
		_codes(f.without(f.request, path), f.settings) == {"maintenance-required"}
	}
}

# Freezes.

_frozen(start, end) := f.set(f.request, "/calendars/open/year-end", [{"start": start, "end": end}])

test_a_freeze_is_not_overlapped if {
	_codes(_frozen(_end, _end + 60), _freezes) == set()
	_codes(_frozen(_end - 1, _end + 60), _freezes) == {"frozen"}
	_codes(_frozen(_start - 60, _start), _freezes) == set()
	_codes(_frozen(_start - 60, _start + 1), _freezes) == {"frozen"}
}

test_an_emergency_is_frozen_too if {
	_codes(_urgent(_frozen(_start - 60, _end)), _freezes) == {"frozen"}
}

test_only_the_freeze_that_is_overlapped_is_told if {
	settings := f.set(_freezes, "/schedule/freezes/elsewhere", {
		"calendar": "elsewhere",
		"environments": ["dev"],
	})
	some violation in _found(_frozen(_start - 60, _end), settings)
	violation.values.calendars == ["year-end"]
}

test_a_freeze_is_about_environments if {
	settings := f.set(_freezes, "/schedule/freezes/year-end/environments", ["dev"])
	_codes(_frozen(_start - 60, _end), settings) == set()
}

test_a_freeze_whose_calendar_is_unknown_lasts if {
	found := _found(f.request, _freezes)
	f.codes(found) == {"frozen"}
	some violation in found
	violation.values.calendars == ["year-end"]
}

# Settings and what they cannot say.

test_deny_without_each_setting if {
	_codes(f.request, f.without(f.settings, "/schedule/hours")) == {"outside-hours"}
	_codes(f.request, f.without(f.settings, "/schedule/maintenance")) == {"maintenance-required"}
	_codes(f.request, f.without(f.settings, "/schedule/freezes")) == {"frozen"}
	_codes(f.request, null) == {"outside-hours", "maintenance-required", "frozen"}
}

test_deny_hours_that_are_no_lists_of_names if {
	every odd in [null, "office", 1, [1], [""], {"office": true}] {
		_codes(_open("office", 0, 0), f.set(_hours, "/schedule/hours/prod", odd)) == {"outside-hours"}
	}
	_codes(_open("office", 0, 0), f.set(_hours, "/schedule/hours", ["office"])) == {"outside-hours"}
}

test_deny_maintenance_that_is_misread if {
	entry := _requires.schedule.maintenance.sunday
	every odd in [
		null,
		"sunday",
		[],
		{},
		f.without(entry, "/calendar"),
		f.set(entry, "/calendar", ""),
		f.set(entry, "/calendar", ["sunday"]),
		f.without(entry, "/mode"),
		f.set(entry, "/mode", "forbids"),
		f.without(entry, "/targets"),
		f.set(entry, "/targets", []),
		f.set(entry, "/targets", "aws/payments-prod"),
		f.set(entry, "/environments", []),
		f.set(entry, "/environments", null),
		f.set(entry, "/roles", []),
		f.set(entry, "/roles", false),
		f.set(entry, "/roles", "aws/rds-reader"),
		f.set(entry, "/role", ["aws/rds-reader"]),
	] {
		_codes(_open("sunday", 0, 0), _maintenance(odd)) == {"maintenance-required"}
	}
}

test_deny_freezes_that_are_misread if {
	entry := _freezes.schedule.freezes["year-end"]
	every odd in [
		null,
		[],
		f.without(entry, "/calendar"),
		f.set(entry, "/calendar", 1),
		f.without(entry, "/environments"),
		f.set(entry, "/environments", []),
		f.set(entry, "/environments", "prod"),
		f.set(entry, "/targets", ["aws/payments-prod"]),
	] {
		settings := f.set(f.settings, "/schedule/freezes", {"year-end": odd})
		_codes(_frozen(_end, _end + 60), settings) == {"frozen"}
	}
}

test_less_access_is_not_its_business if {
	every change in ["narrow", "delete"] {
		_codes(f.set(_frozen(_start - 60, _end), "/change", change), _freezes) == set()
		_codes(f.set(f.request, "/change", change), _hours) == set()
		_codes(f.set(f.request, "/change", change), _requires) == set()
		_codes(f.set(f.request, "/change", change), {}) == set()
	}
}
