# METADATA
# title: An entry of settings/eligibility
# description: >-
#   What it may hold. A misspelt selector would select more, so an entry with anything unknown
#   is no entry.
package lib.eligibility

# METADATA
# description: What an entry selects targets by.
selectors := {"targets", "environments", "tags"}

# METADATA
# description: Everything of one cloud; there is no other wildcard.
clouds := {"aws/*", "azure/*", "gcp/*"}

# METADATA
# description: Holds only what is known, each of its type.
readable(entry) if {
	is_object(entry)
	every key, value in entry {
		_typed(key, value)
	}
}

# METADATA
# description: Names people, roles and targets.
complete(entry) if {
	readable(entry)
	_holds_one_of(entry, {"teams", "principals"})
	_holds_one_of(entry, {"roles"})
	_holds_one_of(entry, selectors)
}

_holds_one_of(entry, keys) if {
	some key, _ in entry
	key in keys
}

_typed(key, names) if {
	key in {"teams", "principals", "environments"}
	_names(names)
	every name in names {
		not contains(name, "*")
	}
}

_typed(key, ids) if {
	key in {"roles", "targets"}
	_names(ids)
	every id in ids {
		_id(id)
	}
}

_typed("tags", tags) if {
	is_object(tags)
	count(tags) > 0
	every value in tags {
		is_string(value)
	}
}

_names(list) if {
	is_array(list)
	count(list) > 0
	every name in list {
		is_string(name)
		name != ""
	}
}

_id(id) if id in clouds

_id(id) if regex.match("^(aws|azure|gcp)/[^/*]+$", id)
