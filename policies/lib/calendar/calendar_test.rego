package lib.calendar_test

import data.lib.calendar

_known := {"start": 0, "end": 1000, "open": {
	"office": [{"start": 100, "end": 200}, {"start": 300, "end": 400}],
	"never": [],
	"always": [{"start": 0, "end": 1000}],
}}

_with(path, value) := json.patch(_known, [{"op": "add", "path": path, "value": value}])

_covered(calendars, name, start, end) if {
	calendar.covered(name, {"start": start, "end": end}) with input as {"calendars": calendars}
}

_free(calendars, name, start, end) if {
	calendar.free(name, {"start": start, "end": end}) with input as {"calendars": calendars}
}

test_covered_is_the_whole_window if {
	_covered(_known, "office", 100, 200)
	not _covered(_known, "office", 99, 200)
	not _covered(_known, "office", 100, 201)
	not _covered(_known, "office", 150, 350)
	not _covered(_known, "never", 150, 160)
}

test_free_is_no_overlap_at_all if {
	_free(_known, "office", 200, 300)
	not _free(_known, "office", 199, 300)
	not _free(_known, "office", 200, 301)
	not _free(_known, "office", 50, 500)
	not _free(_known, "office", 120, 130)
	_free(_known, "never", 0, 1000)
}

test_nothing_is_said_beyond_what_is_known if {
	_covered(_known, "always", 0, 1000)
	not _covered(_known, "always", -1, 1000)
	not _covered(_known, "always", 0, 1001)
	not _free(_known, "never", -1, 1000)
	not _free(_known, "never", 0, 1001)
}

test_nothing_is_said_of_an_empty_window if {
	not _covered(_known, "office", 150, 150)
	not _free(_known, "never", 150, 150)
	not _free(_known, "never", 160, 150)
}

_unclear := {
	"no calendars": null,
	"calendars are text": "none",
	"no start": _with("/start", null),
	"start is text": _with("/start", "0"),
	"no end": _with("/end", null),
	"end is text": _with("/end", "1000"),
	"nothing open": _with("/open", null),
	"open is a list": _with("/open", []),
	"unknown calendar": _with("/open", {}),
	"calendar is null": _with("/open/office", null),
	"calendar is an object": _with("/open/office", {"start": 100, "end": 200}),
	"an interval more that is text": _with("/open/office/-", "100"),
	"an interval more that is null": _with("/open/office/-", null),
	"a calendar of intervals by name": _with("/open/office", {"a": {"start": 100, "end": 200}}),
	"an interval more that starts with null": _with("/open/office/-", {"start": null, "end": 600}),
	"an interval more without end": _with("/open/office/-", {"start": 500}),
	"an interval more without start": _with("/open/office/-", {"end": 500}),
	"an interval more that starts with text": _with("/open/office/-", {"start": "500", "end": 600}),
	"an interval more that ends with text": _with("/open/office/-", {"start": 500, "end": "600"}),
	"an interval more that is empty": _with("/open/office/-", {"start": 500, "end": 500}),
	"an interval more that ends before it starts": _with("/open/office/-", {"start": 600, "end": 500}),
}

test_nothing_is_said_in_doubt if {
	every _, calendars in _unclear {
		not _covered(calendars, "office", 120, 130)
		not _free(calendars, "office", 210, 220)
	}
}

test_nothing_is_said_of_an_odd_question if {
	not _covered(_known, 1, 120, 130)
	every odd in [null, "0", "600", true, [0], {}] {
		not _covered(_known, "always", odd, 1000)
		not _covered(_known, "always", 0, odd)
		not _covered(_known, "always", odd, odd)
		not _free(_known, "never", odd, 1000)
		not _free(_known, "never", 0, odd)
		not _free(_known, "never", odd, odd)
	}
	every odd in ["office", 1, [_known.open.always]] {
		not _covered(_with("/open", odd), "office", 120, 130)
		not _covered(_with("/open", odd), 0, 120, 130)
	}
	not _covered(_known, "office", "120", 130)
	not _covered(_known, "office", 120, "130")
	not _covered(_known, "office", null, null)
	not _free(_known, null, 120, 130)
	not _free(_known, "never", "120", 130)
	not _free(_known, "never", 120, "130")
}
