# METADATA
# title: Who may ask for what
# description: >-
#   The settings list which teams, people and workloads may ask for which roles on which targets.
#   What nobody lists, nobody may ask for.
package access.rules.eligibility

import data.lib.eligibility
import data.lib.read
import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"not-eligible"}

# METADATA
# title: The subject may ask for this role here
# description: >-
#   One entry of `entries` names the subject or a team of theirs, the role, and the target by
#   each of its selectors. Workloads are in no team: they are named themselves.
# custom:
#   code: not-eligible
#   field: access
#   message: "{subject} may not ask for {role} on {target} (settings/eligibility)"
#   solution: ask for a role that is listed for a team of the subject, or have security list this one
deny contains result.binding("not-eligible", index, {
	"subject": request.at(["subject", "name"]),
	"role": read.at(binding, ["role", "id"]),
	"target": read.at(binding, ["target", "id"]),
}) if {
	request.adds_access
	some index, binding in request.bindings
	not _eligible(binding)
}

_eligible(binding) if {
	entries := settings.at(["eligibility", "entries"])
	is_object(entries)
	some entry in entries
	eligibility.readable(entry)
	_for_subject(entry)
	_for_role(entry, binding.role.id)
	_for_target(entry, binding.target)
}

# What the entry lists is text, so whatever is none equals nothing in it.
_for_subject(entry) if {
	input.subject.kind in {"person", "workload"}
	input.subject.name in object.get(entry, "principals", [])
}

_for_subject(entry) if {
	input.subject.kind == "person"
	is_array(input.subject.teams)
	some team in input.subject.teams
	team in object.get(entry, "teams", [])
}

_for_role(entry, role) if {
	is_string(role)
	some listed in object.get(entry, "roles", [])
	_covers(listed, role)
}

# Every selector that is there has to fit, and one has to be there.
_for_target(entry, target) if {
	selectors := [name |
		some name, _ in entry
		name in eligibility.selectors
	]
	count(selectors) > 0
	every name in selectors {
		_selects(name, entry[name], target)
	}
}

_selects("targets", listed, target) if {
	is_string(target.id)
	some one in listed
	_covers(one, target.id)
}

_selects("environments", listed, target) if {
	target.environment in listed
}

_selects("tags", wanted, target) if {
	every name, value in wanted {
		target.tags[name] == value
	}
}

_covers(listed, id) if listed == id

_covers(listed, id) if {
	some cloud in ["aws/", "azure/", "gcp/"]
	listed == concat("", [cloud, "*"])
	startswith(id, cloud)
}
