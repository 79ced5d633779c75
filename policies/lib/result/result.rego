# METADATA
# title: What a rule says
# description: >-
#   A code, the binding it is about and values. The words are in the rule's annotation and
#   are put together outside of the policies.
package lib.result

# METADATA
# description: A violation of the grant as a whole.
whole(code, values) := {"code": code, "binding": -1, "values": values}

# METADATA
# description: A violation of one binding, by its place in the grant's access.
binding(code, index, values) := {"code": code, "binding": index, "values": values}
