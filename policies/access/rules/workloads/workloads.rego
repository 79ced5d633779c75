# METADATA
# title: Access for workloads
# description: >-
#   Shorter than for people, with roles that are not made for people, and with a person who
#   answers for it. That person never approves it.
package access.rules.workloads

import data.lib.read
import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"workload-duration", "workload-interactive", "workload-unowned"}

# METADATA
# title: A workload's access is shorter
# description: Compared with `max_duration`, all extensions included.
# custom:
#   code: workload-duration
#   field: duration
#   message: "{name} is a workload and would have access for {seconds:duration}, {limit:duration} is allowed (settings/workloads)"
#   solution: shorten the duration
deny contains result.whole("workload-duration", {
	"name": request.at(["subject", "name"]),
	"seconds": request.at(["grant", "duration"]),
	"limit": settings.at(["workloads", "max_duration"]),
}) if {
	request.adds_access
	not _short
}

_short if not _workload

# Between two numbers lies no text and no null.
_short if {
	input.grant.duration > 0
	input.grant.duration <= settings.positive(["workloads", "max_duration"])
}

# METADATA
# title: A workload uses no role made for people
# description: Consoles and shells are for people; whoever works there through a workload is not known.
# custom:
#   code: workload-interactive
#   field: access
#   message: "{name} is a workload, and {role} is for people to work with"
#   solution: choose a role without interactive under access/roles
deny contains result.binding("workload-interactive", index, {
	"name": request.at(["subject", "name"]),
	"role": read.at(binding, ["role", "id"]),
}) if {
	request.adds_access
	some index, binding in request.bindings
	not _suits(binding)
}

_suits(_) if not _workload

_suits(binding) if binding.role.interactive == false

# METADATA
# title: A person answers for a workload
# description: The subject is a person, or a workload with an owner.
# custom:
#   code: workload-unowned
#   field: subject
#   message: "{name} is neither a person nor a workload that a person owns"
#   solution: name the owner under access/principals
deny contains result.whole("workload-unowned", {"name": request.at(["subject", "name"])}) if {
	request.adds_access
	not _answered_for
}

_answered_for if input.subject.kind == "person"

_answered_for if {
	_workload
	is_string(input.subject.owner)
	input.subject.owner != ""
}

# What is neither a person nor a workload is denied as unowned.
_workload if input.subject.kind == "workload"
