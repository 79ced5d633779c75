# METADATA
# title: The organisation's settings
# description: >-
#   Typed reading of `policies/settings`: what is missing or of the wrong type is undefined,
#   so a rule that needs it does not hold.
package lib.settings

default _all := {}

_all := data.settings if is_object(data.settings)

# METADATA
# description: Whatever lies at a path, null where there is nothing.
at(path) := object.get(_all, path, null)

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
	_texts(list)
}

_texts(list) if {
	is_array(list)
	every value in list {
		is_string(value)
		value != ""
	}
}

_some_texts(list) if {
	_texts(list)
	count(list) > 0
}

# A key that nothing reads is a slip of the pen, and might have been meant to forbid. An empty list
# has none, and none of those that are needed either.
_only(entry, names) if {
	every name, _ in entry {
		name in names
	}
}

# METADATA
# description: A list of names made of letters, digits and dashes, as a set.
words(path) := names if {
	names := texts(path)

	# All at once: regorus prepares a pattern anew for every name. None of them is empty.
	regex.match("^[A-Za-z0-9-]*$", concat("", names))
}

# METADATA
# description: The teams that speak for security; never empty.
security_teams := teams if {
	teams := texts(["reviewers", "security_teams"])
	count(teams) > 0
}

# METADATA
# description: >-
#   Who approves a role of this risk. Only low risk may need nobody. A step is from `owners` or
#   `security`, or names `teams`, `people` or both; `order` is a whole number from 1 to 9.
steps(risk) := list if {
	risk in {"low", "medium", "high", "critical"}
	list := at(["reviewers", "by_risk", risk])
	is_array(list)
	every step in list {
		_only(step, {"from", "teams", "people", "count", "order"})
		_somebody(step)
		is_number(step.count)
		step.count >= 1
		_ordered(step)
	}
	_enough(risk, list)
}

_ordered(step) if not _has(step, "order")

_ordered(step) if step.order in {1, 2, 3, 4, 5, 6, 7, 8, 9}

_somebody(step) if {
	step.from in {"owners", "security"}
	not _has(step, "teams")
	not _has(step, "people")
}

_somebody(step) if {
	not _has(step, "from")
	_named(step)
	_optional(step, "teams")
	_optional(step, "people")
}

_named(step) if step.teams

_named(step) if step.people

_enough(_, list) if count(list) > 0

_enough(risk, _) if risk == "low"

# METADATA
# description: Calendars by environment.
hours := found if {
	found := at(["schedule", "hours"])
	is_object(found)
	every list in found {
		_texts(list)
	}
}

# METADATA
# description: Maintenance by name.
maintenance := found if {
	found := at(["schedule", "maintenance"])
	is_object(found)
	every entry in found {
		_only(entry, {"calendar", "mode", "targets", "environments", "roles"})
		_some_texts([entry.calendar])
		entry.mode in {"permits", "requires"}
		_places(entry)
		_optional(entry, "targets")
		_optional(entry, "environments")
		_optional(entry, "roles")
	}
}

_places(entry) if entry.targets

_places(entry) if entry.environments

_optional(entry, key) if not _has(entry, key)

_optional(entry, key) if _some_texts(entry[key])

_has(entry, key) if {
	some name, _ in entry
	name == key
}

# METADATA
# description: Freezes by name.
freezes := found if {
	found := at(["schedule", "freezes"])
	is_object(found)
	every entry in found {
		_only(entry, {"calendar", "environments"})
		_some_texts([entry.calendar])
		_some_texts(entry.environments)
	}
}

# METADATA
# description: Combinations of roles by name.
combinations := found if {
	found := at(["separation", "combinations"])
	is_object(found)
	every entry in found {
		_only(entry, {"one", "other"})
		_some_texts(entry.one)
		_some_texts(entry.other)
		count({role | some role in entry.one; role in entry.other}) == 0
	}
}

# METADATA
# description: Rotations whose people on call may use a role in an emergency, by role.
emergency_roles := found if {
	found := at(["emergency", "roles"])
	is_object(found)
	every rotations in found {
		_some_texts(rotations)
	}
}

# METADATA
# description: How many people review a use of emergency access, never fewer than two.
emergency_reviewers := people if {
	people := positive(["emergency", "reviewers"])
	people >= 2
}
