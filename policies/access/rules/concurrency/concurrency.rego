# METADATA
# title: How much access one subject holds at once
# description: Grants that are alive or still to come count, this one included.
package access.rules.concurrency

import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"too-many-live"}

# METADATA
# title: No more live grants than allowed
# description: Compared with `max_live_grants`.
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
	some life in input.lives
	life.end > input.now
	life.grant != input.grant.id
})
