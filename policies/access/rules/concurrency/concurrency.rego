# METADATA
# title: How much one subject holds at once, and asks for in a day
# description: This grant counts too.
package access.rules.concurrency

import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"too-many-live", "too-many-requests"}

# METADATA
# title: No more live grants than allowed
# description: Grants that are alive or still to come, compared with `max_live_grants`.
# custom:
#   code: too-many-live
#   field: subject
#   message: with this one, the subject would hold {count} grants at once, at most {limit} are allowed (settings/limits)
#   solution: delete a grant that is no longer needed
deny contains result.whole("too-many-live", {
	"count": _count,
	"limit": settings.at(["limits", "max_live_grants"]),
}) if {
	request.adds_access
	not _within
}

_within if {
	is_array(input.lives)
	is_number(input.now)
	is_string(input.grant.id)
	every life in input.lives {
		is_string(life.grant)
		is_number(life.end)
	}
	_count <= settings.positive(["limits", "max_live_grants"])
}

_count := 1 + count({life.grant |
	some life in _lives
	life.end > input.now
	life.grant != input.grant.id
})

# METADATA
# title: No more requests in a day than allowed
# description: >-
#   Lives that began with a merge in the last 24 hours, compared with `max_requests_per_day`.
#   Extending one is no other request.
# custom:
#   code: too-many-requests
#   field: subject
#   message: with this one, the subject would have asked {count} times within 24 hours, at most {limit} are allowed (settings/limits)
#   solution: ask again when earlier requests are a day old; one grant may hold several lines of access
deny contains result.whole("too-many-requests", {
	"count": _requests,
	"limit": settings.at(["limits", "max_requests_per_day"]),
}) if {
	request.adds_access
	not _few_requests
}

_few_requests if {
	is_array(input.lives)
	is_number(input.now)
	every life in input.lives {
		is_string(life.grant)
		is_number(life.added)
	}
	_requests <= settings.positive(["limits", "max_requests_per_day"])
}

# One life gives a line for each line of its access.
_requests := 1 + count({[life.grant, life.added] |
	some life in _lives
	life.added > input.now - 86400
})

default _lives := []

_lives := input.lives if is_array(input.lives)
