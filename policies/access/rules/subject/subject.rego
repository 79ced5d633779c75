# METADATA
# title: Who gets access
# description: The subject is enabled, and proves a second factor where a role asks for one.
package access.rules.subject

import data.lib.read
import data.lib.request
import data.lib.result

# METADATA
# description: Every code of this package.
codes := {"subject-disabled", "mfa-missing"}

# METADATA
# title: The subject is enabled
# description: Offboarding disables a principal or deletes its file.
# custom:
#   code: subject-disabled
#   field: subject
#   message: "{name} is disabled under access/principals"
#   solution: enable the principal there first
deny contains result.whole("subject-disabled", {"name": request.at(["subject", "name"])}) if {
	request.adds_access
	not input.subject.disabled == false
}

# METADATA
# title: A second factor where the role asks for one
# description: The subject's identity in that cloud says who proves it.
# custom:
#   code: mfa-missing
#   field: access
#   message: "{role} needs a second factor, and the {cloud} identity of {name} declares none"
#   solution: set mfa for that identity under access/principals once a second factor is enforced
deny contains result.binding("mfa-missing", index, {
	"role": read.at(binding, ["role", "id"]),
	"cloud": read.at(binding, ["target", "cloud"]),
	"name": request.at(["subject", "name"]),
}) if {
	request.adds_access
	some index, binding in request.bindings
	not _second_factor_settled(binding)
}

_second_factor_settled(binding) if binding.role.mfa_required == false

_second_factor_settled(binding) if {
	is_string(binding.target.cloud)
	input.subject.identities[binding.target.cloud].mfa in {"aws", "identity-provider"}
}
