# METADATA
# title: Who proves a second factor
# description: >-
#   Roles that ask for one, and all roles of some risks. The subject's identity in that cloud
#   says who proves it; no other cloud's identity does.
package access.rules.mfa

import data.lib.read
import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"mfa-missing", "mfa-unenforced"}

# METADATA
# title: A second factor where the role or its risk asks for one
# description: An identity that declares nothing proves nothing.
# custom:
#   code: mfa-missing
#   field: access
#   message: "{role} of risk {risk} needs a second factor, and the {cloud} identity of {name} declares none"
#   solution: set mfa for that identity under access/principals once a second factor is enforced
deny contains result.binding("mfa-missing", index, _values(binding)) if {
	request.adds_access
	some index, binding in request.bindings
	not _settled(binding)
}

_settled(binding) if {
	binding.role.mfa_required == false
	_risk_asks_for_none(binding)
}

_settled(binding) if _declared(binding) in {"aws", "identity-provider"}

# METADATA
# title: A second factor that the cloud is to check is one that it checks
# description: >-
#   AWS checks the second factor of its own users in the roles that ask for one. Where only the
#   settings ask, nobody would check it.
# custom:
#   code: mfa-unenforced
#   field: access
#   message: "{role} of risk {risk} needs a second factor (settings/mfa), and {cloud} would not check that of {name}, because the role does not ask for one"
#   solution: "add mfa: required to the role under access/roles"
deny contains result.binding("mfa-unenforced", index, _values(binding)) if {
	request.adds_access
	some index, binding in request.bindings
	not _enforced(binding)
}

_enforced(binding) if binding.role.mfa_required == true

_enforced(binding) if _declared(binding) == "identity-provider"

# What declares nothing enforces nothing: mfa-missing says so where it matters.
_enforced(binding) if not _checked_by_aws(binding)

_enforced(binding) if {
	binding.role.mfa_required == false
	_risk_asks_for_none(binding)
}

_checked_by_aws(binding) if _declared(binding) == "aws"

_risk_asks_for_none(binding) if {
	is_string(binding.role.risk)
	every risk in settings.texts(["mfa", "required_by_risk"]) {
		risk != binding.role.risk
	}
}

_declared(binding) := input.subject.identities[binding.target.cloud].mfa if is_string(binding.target.cloud)

_values(binding) := {
	"role": read.at(binding, ["role", "id"]),
	"risk": read.at(binding, ["role", "risk"]),
	"cloud": read.at(binding, ["target", "cloud"]),
	"name": request.at(["subject", "name"]),
}
