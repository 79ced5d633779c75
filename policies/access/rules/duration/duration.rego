# METADATA
# title: How long access lasts
# description: >-
#   The smallest of the role's, the environment's and the settings' maximum counts, over all
#   lives of the same subject, target and role that lie close together.
package access.rules.duration

import data.lib.read
import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {
	"duration-over-role",
	"duration-over-environment",
	"duration-over-settings",
	"duration-over-pipeline",
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
	limit := _environment_limit(binding)
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

_within(binding, limit) if {
	is_number(limit)
	limit > 0
	_total(binding) <= limit
}

_environment_limit(binding) := limit if {
	environment := read.at(binding, ["target", "environment"])
	is_string(environment)
	limit := settings.at(["limits", "max_duration_by_environment", environment])
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
