# METADATA
# title: The request itself
# description: Who asks, for what kind of change, and whether that can be judged at all.
package access.rules.request

import data.lib.request
import data.lib.result

# METADATA
# description: Every code of this package.
codes := {
	"request-unreadable",
	"requester-unknown",
	"requested-by-unproven",
	"narrowing-unproven",
}

# METADATA
# title: A request can be judged
# description: The facts that every other rule builds on are there.
# custom:
#   code: request-unreadable
#   message: this request cannot be judged, part of its facts is missing
#   solution: run the check again; if it stays, the pipeline and the policies do not fit each other
deny contains result.whole("request-unreadable", {}) if not _readable

_readable if {
	request.governance
	is_number(input.now)
	is_boolean(input.requester.is_app)
}

_readable if {
	input.kind == "grant"
	input.change in {"create", "widen", "same"}
	_facts_known
	_people_known
	_times_known
	count(input.bindings) > 0
	every binding in input.bindings {
		is_string(binding.target.id)
		is_string(binding.role.id)
		is_string(binding.role.risk)
		is_boolean(binding.role.mfa_required)
		is_boolean(binding.role.interactive)
		is_array(binding.role.parameters)
		is_object(binding.parameters)
	}
}

_readable if {
	request.takes_away
	_facts_known
}

_facts_known if {
	is_number(input.now)
	is_boolean(input.requester.is_app)
	is_string(input.grant.id)
	is_string(input.grant.subject)
	input.subject.name == input.grant.subject
	is_array(input.bindings)
}

# What a rule counts, searches or compares must be there even where it is empty: nothing known
# is not nothing found.
_people_known if {
	is_array(input.requester.teams)
	is_array(input.subject.teams)
	is_array(input.subject.on_call)
	is_array(input.subject.standing)
	is_array(input.emergencies)
}

_times_known if {
	is_array(input.lives)
	is_boolean(input.revives)
	is_number(input.calendars.start)
	is_number(input.calendars.end)
	is_object(input.calendars.open)
}

# METADATA
# title: Whoever asks is a known person
# description: >-
#   The requester's GitHub id is that of an enabled principal, or the request was opened by the
#   App for one.
# custom:
#   code: requester-unknown
#   message: the requester {login} is not an enabled person under access/principals
#   solution: add the person there first, with the GitHub id, or let somebody known ask
deny contains result.whole("requester-unknown", {"login": request.at(["requester", "login"])}) if {
	request.adds_access
	not _requester_known
}

_requester_known if {
	is_string(input.requester.principal)
	input.requester.principal != ""
}

_requester_known if {
	input.requester.is_app == true
	is_string(input.grant.requested_by)
}

# METADATA
# title: Only the App asks for somebody
# description: >-
#   `requested_by` names the person for whom the App opened the pull request; anybody else who
#   writes it would put words into another's mouth.
# custom:
#   code: requested-by-unproven
#   field: requested_by
#   message: requested_by is {name}, and this request was opened by {login}
#   solution: leave requested_by out; it belongs in requests that the App opens for a person, and there it is needed
deny contains result.whole("requested-by-unproven", {
	"name": request.at(["grant", "requested_by"]),
	"login": request.at(["requester", "login"]),
}) if {
	request.adds_access
	not _requested_by_proven
}

_requested_by_proven if {
	input.requester.is_app == false
	input.grant.requested_by == null
}

_requested_by_proven if {
	input.requester.is_app == true
	is_string(input.grant.requested_by)
}

# METADATA
# title: Narrowing starts from what was proven
# description: A smaller request is compared with the last proven version of the same grant.
# custom:
#   code: narrowing-unproven
#   message: this is judged as narrowing, and there is no proven version that it narrows
#   solution: ask again as a new grant
deny contains result.whole("narrowing-unproven", {}) if {
	request.narrows
	not _narrows
}

_narrows if {
	input.previous.grant.id == input.grant.id
	input.previous.grant.subject == input.grant.subject
	is_number(input.grant.duration)
	is_number(input.previous.grant.duration)
	input.grant.duration <= input.previous.grant.duration
}
