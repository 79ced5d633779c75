# METADATA
# title: Why access is needed
# description: A reason that says something, and a ticket where the environment asks for one.
package access.rules.justification

import data.lib.read
import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"reason-short", "reason-boilerplate", "ticket-missing", "ticket-malformed", "ticket-of-other-project"}

# METADATA
# title: The reason is long enough
# description: White space does not count.
# custom:
#   code: reason-short
#   field: reason
#   message: the reason has {length} characters, at least {limit} are needed (settings/justification)
#   solution: say what happened and what the access is for
deny contains result.whole("reason-short", {
	"length": request.at(["grant", "reason_length"]),
	"limit": settings.at(["justification", "min_length"]),
}) if {
	request.adds_access
	not _long_enough
}

_long_enough if {
	is_number(input.grant.reason_length)
	input.grant.reason_length >= settings.positive(["justification", "min_length"])
}

# METADATA
# title: The reason says something
# description: Phrases that fit every request are listed in the settings.
# custom:
#   code: reason-boilerplate
#   field: reason
#   message: the reason is a phrase that fits every request
#   solution: say what happened and what the access is for
deny contains result.whole("reason-boilerplate", {}) if {
	request.adds_access
	not _says_something
}

_says_something if {
	is_string(input.grant.reason_folded)
	phrases := settings.texts(["justification", "boilerplate"])
	not input.grant.reason_folded in phrases
}

# METADATA
# title: A ticket where the environment asks for one
# description: The environments are listed in the settings.
# custom:
#   code: ticket-missing
#   field: ticket
#   message: "{target} is {environment}, where every grant names its ticket (settings/justification)"
#   solution: add a ticket
deny contains result.binding("ticket-missing", index, {
	"target": read.at(binding, ["target", "id"]),
	"environment": read.at(binding, ["target", "environment"]),
}) if {
	request.adds_access
	some index, binding in request.bindings
	not _ticket_settled(binding)
}

_ticket_settled(_) if {
	is_string(input.grant.ticket)
	input.grant.ticket != ""
}

_ticket_settled(binding) if {
	is_string(binding.target.environment)
	environments := settings.texts(["justification", "ticket_environments"])
	not binding.target.environment in environments
}

# METADATA
# title: A ticket has the form of one
# description: The pattern is in the settings; a grant without a ticket has none to check.
# custom:
#   code: ticket-malformed
#   field: ticket
#   message: the ticket {ticket} does not match {pattern} (settings/justification)
#   solution: write the ticket's key, as in PAY-1423
deny contains result.whole("ticket-malformed", {
	"ticket": request.at(["grant", "ticket"]),
	"pattern": settings.at(["justification", "ticket_pattern"]),
}) if {
	request.adds_access
	not _ticket_well_formed
}

_ticket_well_formed if input.grant.ticket == null

_ticket_well_formed if _ticket_matches(settings.at(["justification", "ticket_pattern"]))

_ticket_matches(pattern) if {
	is_string(pattern)
	startswith(pattern, "^")
	endswith(pattern, "$")
	is_string(input.grant.ticket)

	# In a group, so that an alternative in the pattern is held to both ends too.
	regex.match(concat("", ["^(", pattern, ")$"]), input.grant.ticket)
}

# METADATA
# title: A ticket of the target's project
# description: >-
#   Where `ticket_pattern_by_project` lists the project in the target's tag `project`, the grant
#   names a ticket that matches its pattern. Other targets go by the general pattern only.
# custom:
#   code: ticket-of-other-project
#   field: ticket
#   message: "{target} belongs to the project {project}, whose tickets match {pattern} (settings/justification), and the ticket is {ticket}"
#   solution: name a ticket of that project, or ask for the targets of each project in a grant of its own
deny contains result.binding("ticket-of-other-project", index, {
	"target": read.at(binding, ["target", "id"]),
	"project": read.at(binding, ["target", "tags", "project"]),
	"ticket": request.at(["grant", "ticket"]),
	"pattern": _project_pattern(binding),
}) if {
	request.adds_access
	some index, binding in request.bindings
	not _project_settled(binding)
}

_project_settled(binding) if {
	is_object(settings.at(["justification", "ticket_pattern_by_project"]))
	_project_without_pattern(binding)
}

_project_settled(binding) if _ticket_matches(_project_pattern(binding))

_project_without_pattern(binding) if {
	is_object(binding.target.tags)
	read.at(binding, ["target", "tags", "project"]) == null
}

_project_without_pattern(binding) if {
	is_string(binding.target.tags.project)
	_project_pattern(binding) == null
}

_project_pattern(binding) := pattern if {
	project := read.at(binding, ["target", "tags", "project"])
	is_string(project)
	pattern := settings.at(["justification", "ticket_pattern_by_project", project])
} else := null
