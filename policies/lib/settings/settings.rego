# METADATA
# title: The organisation's settings
# description: >-
#   Typed reading of `policies/settings`: what is missing or of the wrong type is undefined,
#   so a rule that needs it does not hold.
package lib.settings

import data.lib.read

default _all := {}

_all := data.settings if is_object(data.settings)

# METADATA
# description: Whatever lies at a path, null where there is nothing.
at(path) := read.at(_all, path)

# METADATA
# description: A number above zero.
positive(path) := value if {
	value := at(path)
	is_number(value)
	value > 0
}

# METADATA
# description: A list of texts, as a set.
texts(path) := {value | some value in list} if {
	list := at(path)
	is_array(list)
	every value in list {
		is_string(value)
		value != ""
	}
}

# METADATA
# description: The teams that speak for security; never empty.
security_teams := teams if {
	teams := texts(["reviewers", "security_teams"])
	count(teams) > 0
}

# METADATA
# description: >-
#   Who approves a role of this risk. Only low risk may need nobody.
steps(risk) := list if {
	risk in {"low", "medium", "high", "critical"}
	list := at(["reviewers", "by_risk", risk])
	is_array(list)
	every step in list {
		step.from in {"owners", "security"}
		is_number(step.count)
		step.count >= 1
	}
	_enough(risk, list)
}

_enough(_, list) if count(list) > 0

_enough(risk, _) if risk == "low"
