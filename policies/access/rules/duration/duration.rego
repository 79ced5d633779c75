# METADATA
# title: How long access lasts
# description: >-
#   The smallest of the role's, the risk's, the environment's and the settings' maximum counts,
#   over all lives of the same subject, target and role that lie close together.
package access.rules.duration

import data.lib.read
import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {
	"duration-over-role",
	"duration-over-risk",
	"duration-over-environment",
	"duration-over-settings",
	"duration-over-pipeline",
	"extension-over-settings",
}

# METADATA
# title: No longer than the role allows
# description: Compared with `max_duration` of the role in the catalogue.
# custom:
#   code: duration-over-role
#   field: duration
#   message: "{role} on {target} would last {seconds:duration} within a day, the role allows {limit:duration}"
#   solution: shorten the duration, or ask again when the earlier access is a day old
deny contains result.binding("duration-over-role", index, _values(binding, limit)) if {
	request.adds_access
	some index, binding in request.bindings
	limit := read.at(binding, ["role", "max_duration"])
	not _within(binding, limit)
}

# METADATA
# title: No longer than the risk allows
# description: Compared with `max_duration_by_risk`; a risk without a maximum allows nothing.
# custom:
#   code: duration-over-risk
#   field: duration
#   message: "{role} on {target} would last {seconds:duration} within a day, a role of {risk} risk may last {limit:duration} (settings/limits)"
#   solution: shorten the duration, or ask for a role of lesser risk
deny contains result.binding("duration-over-risk", index, {
	"target": read.at(binding, ["target", "id"]),
	"role": read.at(binding, ["role", "id"]),
	"risk": read.at(binding, ["role", "risk"]),
	"seconds": _shown(binding),
	"limit": limit,
}) if {
	request.adds_access
	some index, binding in request.bindings
	limit := _by(["limits", "max_duration_by_risk"], read.at(binding, ["role", "risk"]))
	not _within(binding, limit)
}

# METADATA
# title: No longer than the environment allows
# description: Compared with `max_duration_by_environment`; an environment without a maximum allows nothing.
# custom:
#   code: duration-over-environment
#   field: duration
#   message: "{role} on {target} would last {seconds:duration} within a day, its environment allows {limit:duration} (settings/limits)"
#   solution: shorten the duration, or give the environment a maximum in settings/limits if it has none
deny contains result.binding("duration-over-environment", index, _values(binding, limit)) if {
	request.adds_access
	some index, binding in request.bindings
	limit := _by(["limits", "max_duration_by_environment"], read.at(binding, ["target", "environment"]))
	not _within(binding, limit)
}

# METADATA
# title: No longer than the settings allow
# description: Compared with `max_duration`, the maximum for everything.
# custom:
#   code: duration-over-settings
#   field: duration
#   message: "{role} on {target} would last {seconds:duration} within a day, at most {limit:duration} is allowed (settings/limits)"
#   solution: shorten the duration
deny contains result.binding("duration-over-settings", index, _values(binding, limit)) if {
	request.adds_access
	some index, binding in request.bindings
	limit := settings.at(["limits", "max_duration"])
	not _within(binding, limit)
}

# METADATA
# title: Shorter where only the pipeline ends access
# description: Compared with `max_duration_pipeline` wherever the cloud does not end access by itself.
# custom:
#   code: duration-over-pipeline
#   field: duration
#   message: "{role} on {target} would last {seconds:duration} within a day, and only this pipeline would end it: {limit:duration} is allowed (settings/limits)"
#   solution: shorten the duration
deny contains result.binding("duration-over-pipeline", index, _values(binding, limit)) if {
	request.adds_access
	some index, binding in request.bindings
	limit := settings.at(["limits", "max_duration_pipeline"])
	not _within_where_pipeline_ends(binding, limit)
}

_within_where_pipeline_ends(binding, _) if binding.target.expiry == "cloud"

_within_where_pipeline_ends(binding, limit) if _within(binding, limit)

# METADATA
# title: No extension beyond what the settings allow
# description: >-
#   Compared with `max_extension`: what all extensions of one life add, counted from its first
#   proven version.
# custom:
#   code: extension-over-settings
#   field: duration
#   message: "extensions would add {seconds:duration} to the {first:duration} first asked for, {limit:duration} is allowed (settings/limits)"
#   solution: shorten the duration, or ask with a new grant when this one has ended
deny contains result.whole("extension-over-settings", {
	"seconds": _extension_shown,
	"first": request.at(["previous", "first_duration"]),
	"limit": settings.at(["limits", "max_extension"]),
}) if {
	request.adds_access
	not _extension_settled
}

_extension_settled if input.previous == null

_extension_settled if _extension <= settings.positive(["limits", "max_extension"])

_extension := input.grant.duration - input.previous.first_duration if {
	is_number(input.grant.duration)
	is_number(input.previous.first_duration)
	input.previous.first_duration > 0
}

default _extension_shown := null

_extension_shown := _extension

_within(binding, limit) if {
	# The total is more than nothing.
	is_number(limit)
	_total(binding) <= limit
}

# The setting of that name, null where there is none.
_by(path, name) := limit if {
	is_string(name)
	limit := settings.at(array.concat(path, [name]))
} else := null

_values(binding, limit) := {
	"target": read.at(binding, ["target", "id"]),
	"role": read.at(binding, ["role", "id"]),
	"seconds": _shown(binding),
	"limit": limit,
}

_shown(binding) := seconds if {
	seconds := _total(binding)
} else := null

_total(binding) := input.grant.duration + sum([seconds |
	some life in input.lives
	life.target == binding.target.id
	life.role == binding.role.id
	life.end > input.window.start - _sum_within
	life.start < input.window.end + _sum_within
	seconds := life.end - life.start
]) if {
	is_number(input.grant.duration)
	input.grant.duration > 0
	is_number(input.window.start)
	is_number(input.window.end)
	is_string(binding.target.id)
	is_string(binding.role.id)
	_lives_readable
	is_number(_sum_within)
}

_sum_within := settings.positive(["limits", "sum_within"])

# A comprehension passes over what it cannot read, so reading is checked by itself.
_lives_readable if {
	is_array(input.lives)
	every life in input.lives {
		is_string(life.target)
		is_string(life.role)
		is_number(life.start)
		is_number(life.end)
		life.start <= life.end
	}
}
