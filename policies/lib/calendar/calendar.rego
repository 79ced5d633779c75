# METADATA
# title: When a calendar is open
# description: >-
#   A window lies inside of a calendar, or apart from it; in doubt neither. A window that begins
#   when an interval ends touches it and does not overlap it: both are half-open.
package lib.calendar

# METADATA
# description: >-
#   One interval of the calendar *name* holds the whole *window*. Two that touch would be one,
#   so a window over a gap is not covered.
covered(name, window) if {
	some interval in _intervals(name, window)
	interval.start <= window.start
	window.end <= interval.end
}

# METADATA
# description: No interval of the calendar *name* overlaps *window*.
free(name, window) if {
	intervals := _intervals(name, window)
	every interval in intervals {
		_apart(interval, window)
	}
}

_apart(interval, window) if interval.end <= window.start

_apart(interval, window) if window.end <= interval.start

# Undefined unless the calendar is known all along the window.
_intervals(name, window) := intervals if {
	_known(window)
	is_object(input.calendars.open)
	intervals := input.calendars.open[name]
	is_array(intervals)
	every interval in intervals {
		is_number(interval.start)
		is_number(interval.end)
		interval.start < interval.end
	}
}

# Between two numbers lies no text and no null, so the window's ends are numbers too.
_known(window) if {
	window.start < window.end
	is_number(input.calendars.start)
	is_number(input.calendars.end)
	input.calendars.start <= window.start
	window.end <= input.calendars.end
}
