# METADATA
# title: Access in an emergency
# description: >-
#   Somebody on call takes a role that is marked for it, at once, for themself and for a short
#   time. Nobody approves it beforehand; people review it afterwards, and what stays unreviewed
#   blocks the next one. All other limits hold as ever.
package access.rules.emergency

import data.lib.read
import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {
	"emergency-invalid",
	"emergency-changed",
	"emergency-role",
	"emergency-not-on-call",
	"emergency-duration",
	"emergency-start",
	"emergency-requester",
	"emergency-debt",
}

# METADATA
# title: A grant is an emergency or it is none
# description: "`emergency` is true or false."
# custom:
#   code: emergency-invalid
#   field: emergency
#   message: it cannot be told whether this is an emergency
#   solution: "write emergency: true, or leave it out"
deny contains result.whole("emergency-invalid", {}) if {
	request.adds_access
	not _told
}

_told if is_boolean(input.grant.emergency)

# METADATA
# title: An emergency stays one, and nothing becomes one
# description: What people approved is not extended without them, and what they did not is not kept.
# custom:
#   code: emergency-changed
#   field: emergency
#   message: an extension changes emergency
#   solution: leave emergency as it was, and ask with a new file
deny contains result.whole("emergency-changed", {}) if {
	request.adds_access
	not _unchanged
}

_unchanged if input.change == "create"

_unchanged if input.previous.grant.emergency == input.grant.emergency

# METADATA
# title: The role is marked for emergencies
# description: Each role of the grant has rotations in the settings.
# custom:
#   code: emergency-role
#   field: access
#   message: "{role} is not for emergencies (settings/emergency)"
#   solution: remove emergency and ask for approval, or take a role that is marked
deny contains result.binding("emergency-role", index, {"role": read.at(binding, ["role", "id"])}) if {
	request.emergency
	some index, binding in request.bindings
	not _marked(binding)
}

_marked(binding) if settings.emergency_roles[binding.role.id]

# METADATA
# title: The subject is on call
# description: Now, in one of the rotations that the role is marked with.
# custom:
#   code: emergency-not-on-call
#   field: access
#   message: "{name} is not on call for {role}: {rotations:list} (settings/emergency)"
#   solution: let somebody on call ask, or remove emergency and ask for approval
deny contains result.binding("emergency-not-on-call", index, {
	"name": request.at(["subject", "name"]),
	"role": read.at(binding, ["role", "id"]),
	"rotations": settings.at(["emergency", "roles", read.at(binding, ["role", "id"])]),
}) if {
	request.emergency
	some index, binding in request.bindings
	not _on_call(binding)
}

# What is not marked has nobody on call for it; emergency-role says so.
_on_call(binding) if not _marked(binding)

_on_call(binding) if {
	is_array(input.subject.on_call)
	some rotation in input.subject.on_call
	rotation in settings.emergency_roles[binding.role.id]
}

# METADATA
# title: An emergency is short
# description: The whole duration counts, extensions included.
# custom:
#   code: emergency-duration
#   field: duration
#   message: an emergency would last {seconds:duration}, {limit:duration} is allowed (settings/emergency)
#   solution: shorten the duration; whatever takes longer is asked for with approval
deny contains result.whole("emergency-duration", {
	"seconds": request.at(["grant", "duration"]),
	"limit": settings.at(["emergency", "max_duration"]),
}) if {
	request.emergency
	not _short
}

# Between two numbers lies no text and no null.
_short if {
	input.grant.duration > 0
	input.grant.duration <= settings.positive(["emergency", "max_duration"])
}

# METADATA
# title: An emergency is now
# description: What can wait for its start can wait for an approval.
# custom:
#   code: emergency-start
#   field: start
#   message: an emergency starts with its merge, not at {start:time}
#   solution: leave start out, or remove emergency and ask for approval
deny contains result.whole("emergency-start", {"start": request.at(["grant", "start"])}) if {
	request.emergency
	not _now
}

_now if input.grant.start == null

# METADATA
# title: An emergency is asked for by its subject
# description: A person, for themself, with their own account; the App asks for nobody.
# custom:
#   code: emergency-requester
#   field: emergency
#   message: "{login} asks for an emergency of {name}, who has to ask in person"
#   solution: let the person on call open the request, or remove emergency and ask for approval
deny contains result.whole("emergency-requester", {
	"login": request.at(["requester", "login"]),
	"name": request.at(["subject", "name"]),
}) if {
	request.emergency
	not _in_person
}

_in_person if {
	input.subject.kind == "person"
	is_string(input.subject.name)
	input.requester.principal == input.subject.name
	input.requester.is_app == false
	input.grant.requested_by == null
}

# METADATA
# title: Earlier emergencies are reviewed
# description: A use that nobody reviewed in time blocks the same person's next one.
# custom:
#   code: emergency-debt
#   field: emergency
#   message: "{name} had emergencies that nobody reviewed within {limit:duration} (settings/emergency): {grants:list}"
#   solution: have them reviewed first, under access/reviews, or remove emergency and ask for approval
deny contains result.whole("emergency-debt", {
	"name": request.at(["subject", "name"]),
	"limit": settings.at(["emergency", "review_within"]),
	"grants": _owed,
}) if {
	request.emergency
	not _owes_nothing
}

_owes_nothing if {
	is_number(input.now)
	settings.positive(["emergency", "review_within"])
	is_array(input.emergencies)
	every use in input.emergencies {
		is_string(use.grant)
		is_number(use.start)
		is_boolean(use.reviewed)
		_settled(use)
	}
}

_settled(use) if use.reviewed == true

_settled(use) if use.start > input.now - settings.positive(["emergency", "review_within"])

_owed := sort({use.grant |
	is_array(input.emergencies)
	some use in input.emergencies
	is_string(use.grant)
	use.grant != ""
	not _settled(use)
})

# METADATA
# description: Why this merges without a person.
alone contains "emergency" if request.emergency
