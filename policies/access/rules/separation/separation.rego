# METADATA
# title: What nobody holds at the same time
# description: >-
#   Combinations of roles, across clouds: within the grant, with other grants that overlap it,
#   and with access that the subject holds without a grant.
package access.rules.separation

import data.lib.read
import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"toxic-combination"}

# METADATA
# title: Duties stay separate
# description: Nobody holds a role of each side of a combination at the same time.
# custom:
#   code: toxic-combination
#   field: access
#   message: "{role} and {other} (held by {where}) are not for the same person at the same time: {combination} (settings/separation)"
#   solution: end the other access first, or let somebody else do one of the two
deny contains result.binding("toxic-combination", index, values) if {
	request.adds_access
	some index, binding in request.bindings
	some values in _pairs(binding)
	not _separate(values)
}

# No role is on both sides, so none conflicts with itself.
_separate(pair) if {
	combination := settings.combinations[pair.combination]
	not _on_both_sides(combination, pair.role, pair.other)
}

# Whatever is held beside the role, for each combination. Where anything that is held cannot be
# read, one pair of no combination, which nothing shows to be separate.
_pairs(binding) := pairs if {
	_readable
	pairs := {pair |
		some name, _ in settings.combinations
		some held in _held
		pair := {
			"combination": name,
			"role": binding.role.id,
			"other": held.role,
			"where": held.where,
		}
	}
} else := {{
	"combination": null,
	"role": read.at(binding, ["role", "id"]),
	"other": null,
	"where": null,
}}

_on_both_sides(combination, role, other) if {
	role in combination.one
	other in combination.other
}

_on_both_sides(combination, role, other) if {
	role in combination.other
	other in combination.one
}

_held contains {"role": binding.role.id, "where": request.at(["grant", "id"])} if {
	some binding in request.bindings
}

_held contains {"role": life.role, "where": life.grant} if {
	is_array(input.lives)
	some life in input.lives
	life.start < input.window.end
	life.end > input.window.start
}

_held contains {"role": one.role, "where": "standing"} if {
	is_array(input.subject.standing)
	some one in input.subject.standing
}

_readable if {
	is_object(settings.combinations)
	is_number(input.window.start)
	is_number(input.window.end)
	every binding in request.bindings {
		is_string(binding.role.id)
	}
	is_array(input.lives)
	every life in input.lives {
		is_string(life.grant)
		is_string(life.role)
		is_number(life.start)
		is_number(life.end)
	}
	is_array(input.subject.standing)
	every one in input.subject.standing {
		is_string(one.role)
	}
}
