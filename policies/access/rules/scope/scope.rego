# METADATA
# title: How much a role may do
# description: Roles that may do everything are of critical risk, and reviewed as such.
package access.rules.scope

import data.lib.read
import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"scope-broad"}

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
	count(binding.role.permissions.actions) > 0
	every action in binding.role.permissions.actions {
		not regex.match("^[*?:]+$", action)
		not lower(action) in broad
		is_string(action)
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
