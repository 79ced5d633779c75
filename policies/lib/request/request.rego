# METADATA
# title: What is asked
# description: Facts about the input that several rules need, each false or empty in doubt.
package lib.request

import data.lib.read

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

default adds_access := true

# METADATA
# description: True unless certainly otherwise.
adds_access := false if governance

adds_access := false if takes_away

default bindings := []

# METADATA
# description: One entry for each line of the grant's access.
bindings := input.bindings if is_array(input.bindings)

# METADATA
# description: People who may never approve this request.
excluded contains name if {
	# A set of the values themselves would be undefined where one of them is.
	some path in [["requester", "principal"], ["subject", "name"], ["grant", "requested_by"]]
	name := at(path)
	is_string(name)
}
