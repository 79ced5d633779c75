# METADATA
# title: How much a role may do
# description: >-
#   Roles that may do everything are of critical risk, and reviewed as such; others name their
#   actions and resources, and do what is sensitive one action on one resource at a time.
package access.rules.scope

import data.lib.read
import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"scope-broad", "scope-wildcard-action", "scope-wildcard-resource", "scope-sensitive"}

# METADATA
# title: Broad permissions are critical
# description: >-
#   AWS actions made of wildcards only, and what the settings list for each cloud, are refused in
#   roles of lesser risk.
# custom:
#   code: scope-broad
#   field: access
#   message: "{role} holds permissions that only a role of critical risk may hold, its risk is {risk}"
#   solution: name the actions that are needed, or raise the role's risk in the catalogue
deny contains result.binding("scope-broad", index, {
	"role": read.at(binding, ["role", "id"]),
	"risk": read.at(binding, ["role", "risk"]),
}) if {
	request.adds_access
	some index, binding in request.bindings
	not _scoped(binding)
}

_scoped(binding) if binding.role.risk == "critical"

_scoped(binding) if {
	binding.target.cloud == "aws"
	listed := settings.texts(["roles", "critical_only", "aws"])
	broad := {lower(one) | some one in listed}
	is_array(binding.role.permissions.actions)
	count(binding.role.permissions.actions) > 0
	every action in binding.role.permissions.actions {
		is_string(action)
		not regex.match("^[*?:]+$", action)
		not lower(action) in broad
	}
}

_scoped(binding) if {
	binding.target.cloud == "azure"
	listed := settings.texts(["roles", "critical_only", "azure"])
	broad := {lower(one) | some one in listed}
	is_string(binding.role.permissions.role_definition_id)
	not lower(binding.role.permissions.role_definition_id) in broad
}

_scoped(binding) if {
	binding.target.cloud == "gcp"
	broad := settings.texts(["roles", "critical_only", "gcp"])
	is_string(binding.role.permissions.role)
	not binding.role.permissions.role in broad
}

# METADATA
# title: No wildcard in what a role does
# description: >-
#   In AWS an action holds `*` or `?` only after one of `wildcard_verbs`, as in
#   `rds:Describe*`, unless the role's risk is critical. The other clouds' roles are lists that
#   their settings name.
# custom:
#   code: scope-wildcard-action
#   field: access
#   message: "{role} holds actions with a wildcard, which stands only after {verbs:list} (settings/roles)"
#   solution: name the actions that are needed, or raise the role's risk to critical in the catalogue
deny contains result.binding("scope-wildcard-action", index, {
	"role": read.at(binding, ["role", "id"]),
	"verbs": _verbs_shown,
}) if {
	request.adds_access
	some index, binding in request.bindings
	not _actions_named(binding)
}

_actions_named(binding) if _goes_by_broad_only(binding)

_actions_named(binding) if {
	binding.target.cloud == "aws"
	is_array(binding.role.permissions.actions)
	count(binding.role.permissions.actions) > 0
	every action in binding.role.permissions.actions {
		_action_named(action)
	}
}

_action_named(action) if {
	_action(action)
	not regex.match("[*?]", action)
	_wildcard_verbs
}

_action_named(action) if _begins_with(_wildcard_verbs, action)

# METADATA
# title: No wildcard as resource
# description: >-
#   In AWS a resource is not `*` and no ARN whose last part is made of wildcards, unless all that
#   the role does begins with one of `wildcard_verbs` (many such actions know no resources) or its
#   risk is critical.
# custom:
#   code: scope-wildcard-resource
#   field: access
#   message: "{role} acts on every resource, which only actions may that begin with {verbs:list} (settings/roles)"
#   solution: name the resources, or raise the role's risk to critical in the catalogue
deny contains result.binding("scope-wildcard-resource", index, {
	"role": read.at(binding, ["role", "id"]),
	"verbs": _verbs_shown,
}) if {
	request.adds_access
	some index, binding in request.bindings
	not _resources_named(binding)
}

_resources_named(binding) if _goes_by_broad_only(binding)

_resources_named(binding) if {
	binding.target.cloud == "aws"
	_wildcard_verbs
	is_array(binding.role.permissions.resources)
	count(binding.role.permissions.resources) > 0
	every resource in binding.role.permissions.resources {
		is_string(resource)
		resource != ""
		_resource_settled(resource, binding.role.permissions.actions)
	}
}

_resource_settled(resource, _) if not regex.match("(^|:)[*?/]+$", resource)

_resource_settled(_, actions) if {
	is_array(actions)
	count(actions) > 0
	every action in actions {
		_begins_with(_wildcard_verbs, action)
	}
}

# METADATA
# title: What is sensitive is done one action at a time
# description: >-
#   AWS actions that `sensitive` names by verb, by service or by themselves are refused, unless
#   the role's risk is critical or it is an action role: one action, and on every resource a
#   parameter that the grant fills in.
# custom:
#   code: scope-sensitive
#   field: access
#   message: "{role} holds actions that delete, or change identities, keys or networks (settings/roles); only an action role or one of critical risk may"
#   solution: ask for a role with that one action, and a parameter of its own in every resource
deny contains result.binding("scope-sensitive", index, {"role": read.at(binding, ["role", "id"])}) if {
	request.adds_access
	some index, binding in request.bindings
	not _sensitive_settled(binding)
}

_sensitive_settled(binding) if _goes_by_broad_only(binding)

_sensitive_settled(binding) if {
	binding.target.cloud == "aws"
	is_array(binding.role.permissions.actions)
	count(binding.role.permissions.actions) > 0
	every action in binding.role.permissions.actions {
		_harmless(action)
	}
}

_sensitive_settled(binding) if {
	binding.target.cloud == "aws"
	_one_action(binding.role.permissions.actions)
	is_array(binding.role.parameters)
	is_array(binding.role.permissions.resources)
	count(binding.role.permissions.resources) > 0
	every resource in binding.role.permissions.resources {
		_filled_in(resource, binding.role.parameters)
	}
}

_one_action(actions) if {
	is_array(actions)
	count(actions) == 1
	_action(actions[0])
	not regex.match("[*?]", actions[0])
}

_filled_in(resource, parameters) if {
	is_string(resource)
	some parameter in parameters
	is_string(parameter)

	# Filled in from the target, whoever asks for whatever.
	parameter != "account"
	contains(resource, concat("", ["{", parameter, "}"]))
}

# All that says what is sensitive must be there, before anything is not; and what a wildcard
# covers must be known.
_harmless(action) if {
	_action_named(action)
	verbs := settings.words(["roles", "sensitive", "verbs"])
	not _begins_with(verbs, action)
	listed := settings.texts(["roles", "sensitive", "actions"])
	not lower(action) in {lower(one) | some one in listed}
	services := settings.words(["roles", "sensitive", "services"])
	_reads(action, services)
}

_reads(action, services) if not _of_service(services, action)

_reads(action, _) if _begins_with(_wildcard_verbs | {"Get"}, action)

_of_service(services, action) if {
	some service in services
	startswith(lower(action), concat("", [lower(service), ":"]))
}

# Service and verb, of which the service holds no wildcard.
_action(action) if {
	is_string(action)
	regex.match("^[^:*?]+:[^:]+$", action)
}

_begins_with(verbs, action) if {
	_action(action)
	some verb in verbs

	# An action holds one colon, and it is not the first character.
	contains(lower(action), concat("", [":", lower(verb)]))
}

_wildcard_verbs := settings.words(["roles", "wildcard_verbs"])

default _verbs_shown := null

_verbs_shown := sort(_wildcard_verbs)

_goes_by_broad_only(binding) if binding.role.risk == "critical"

_goes_by_broad_only(binding) if binding.target.cloud in {"azure", "gcp"}
