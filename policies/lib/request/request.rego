# METADATA
# title: What is asked
# description: Facts about the input that several rules need, each false or empty in doubt.
package lib.request

import data.lib.read
import data.lib.settings

# METADATA
# description: Whatever lies at a path of the input, null where there is nothing.
at(path) := read.at(input, path)

# METADATA
# description: A change to policies, catalogue or workflows instead of a grant.
governance if input.kind == "governance"

# METADATA
# description: Less access than was proven before.
takes_away if {
	input.kind == "grant"
	input.change in {"narrow", "delete"}
}

# METADATA
# description: A smaller grant, unlike one that is deleted.
narrows if {
	input.kind == "grant"
	input.change == "narrow"
}

default adds_access := true

# METADATA
# description: True unless certainly otherwise.
adds_access := false if governance

adds_access := false if takes_away

# METADATA
# description: More access that is asked for as an emergency, which waits for nobody.
emergency if {
	adds_access
	input.grant.emergency == true
}

default bindings := []

# METADATA
# description: One entry for each line of the grant's access.
bindings := input.bindings if is_array(input.bindings)

# METADATA
# description: People who may never approve this request.
excluded contains name if {
	# A set of the values themselves would be undefined where one of them is.
	some path in [["requester", "principal"], ["subject", "name"], ["subject", "owner"], ["grant", "requested_by"]]
	name := at(path)
	is_string(name)
}

# Who used emergency access does not review that use.
excluded contains name if {
	is_array(input.reviews)
	some name in input.reviews
	is_string(name)
}

# METADATA
# description: >-
#   Whoever asks has a say in this grant: the App, the subject, the owner of a workload, whoever
#   the grant was first asked by or for, security, and an owner of every target.
has_a_say if input.requester.is_app == true

has_a_say if {
	is_string(input.requester.principal)
	some path in [["subject", "name"], ["subject", "owner"], ["grant", "requested_by"], ["previous", "requester"]]
	input.requester.principal == at(path)
}

has_a_say if {
	is_array(input.requester.teams)
	some team in input.requester.teams
	team in settings.security_teams
}

has_a_say if {
	count(bindings) > 0
	is_array(input.requester.teams)
	every binding in bindings {
		some team in input.requester.teams
		team in binding.target.owners
	}
}
