# METADATA
# title: When access holds
# description: The window starts soon, ends after exactly the duration, and is never reopened.
package access.rules.window

import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"window-start", "window-length"}

# METADATA
# title: Access starts between now and a few days from now
# description: >-
#   `start` is not in the past and not further away than `start_within`. An extension keeps the
#   start it had, and only while the grant is alive: it moves only what has not begun.
# custom:
#   code: window-start
#   field: start
#   message: access would start {start:time}; it must start between {now:time} and {limit:duration} later
#   solution: change start, or leave it out to start with the merge; what has ended is asked for with a new file
deny contains result.whole("window-start", {
	"start": request.at(["window", "start"]),
	"now": request.at(["now"]),
	"limit": settings.at(["limits", "start_within"]),
}) if {
	request.adds_access
	not _starts_in_time
}

# Between two numbers lies no text and no null.
_starts_in_time if {
	is_number(input.now)
	_to_begin
	input.window.start >= input.now
	input.window.start <= input.now + settings.positive(["limits", "start_within"])
}

_starts_in_time if {
	input.change in {"widen", "same"}
	is_number(input.now)
	is_number(input.window.start)
	is_number(input.previous.window.end)
	input.window.start == input.previous.window.start
	input.now < input.previous.window.end
}

_to_begin if input.change == "create"

_to_begin if {
	is_number(input.previous.window.start)
	input.now < input.previous.window.start
}

# METADATA
# title: A window is as long as the grant says
# description: The end lies after the start by exactly the duration.
# custom:
#   code: window-length
#   field: duration
#   message: access from {start:time} to {end:time} is not a window of {duration:duration}
#   solution: write a duration of at least five minutes
deny contains result.whole("window-length", {
	"start": request.at(["window", "start"]),
	"end": request.at(["window", "end"]),
	"duration": request.at(["grant", "duration"]),
}) if {
	request.adds_access
	not _as_long_as_asked
}

_as_long_as_asked if {
	is_number(input.window.start)
	is_number(input.window.end)
	input.grant.duration >= 300
	input.window.end - input.window.start == input.grant.duration
}
