# METADATA
# title: Reading what may be missing
# description: >-
#   A rule's values must never be undefined, or the rule would not deny: they are read here,
#   where what is missing reads as null.
package lib.read

# METADATA
# description: What lies at a path of keys in a value, null where there is nothing.
at(value, path) := found if {
	is_object(value)
	found := object.get(value, path, null)
} else := null
