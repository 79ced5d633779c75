# METADATA
# title: Who approves more access
# description: >-
#   Distinct people by the risk of each role: owners of its target, and security. Steps for the
#   same owners are one step with the larger count.
package access.rules.reviewers

import data.lib.read
import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"reviewers-unknown", "owners-missing", "security-missing"}

# METADATA
# title: Reviewers are known for every risk
# description: A risk without reviewers in the settings is not a risk that needs none.
# custom:
#   code: reviewers-unknown
#   field: access
#   message: nobody is named to review a role of risk {risk} (settings/reviewers)
#   solution: name the reviewers of that risk in settings/reviewers
deny contains result.binding("reviewers-unknown", index, {"risk": read.at(binding, ["role", "risk"])}) if {
	request.adds_access
	some index, binding in request.bindings
	not _steps_known(binding)
}

_steps_known(binding) if is_array(settings.steps(binding.role.risk))

# METADATA
# title: Every target has owners
# description: Without them nobody could approve, which must not mean that nobody has to.
# custom:
#   code: owners-missing
#   field: access
#   message: "{target} has no owners"
#   solution: name the owning teams under access/targets
deny contains result.binding("owners-missing", index, {"target": read.at(binding, ["target", "id"])}) if {
	request.adds_access
	some index, binding in request.bindings
	not _owned(binding)
}

_owned(binding) if count(_owners(binding)) > 0

# METADATA
# title: Security is somebody
# description: Without a security team nobody could approve, which must not mean that nobody has to.
# custom:
#   code: security-missing
#   message: no team is named to speak for security (settings/reviewers)
#   solution: set security_teams in settings/reviewers
deny contains result.whole("security-missing", {}) if {
	request.adds_access
	not _security_named
}

_security_named if count(settings.security_teams) > 0

# METADATA
# description: The approvals that a grant needs.
approvals contains {
	"id": concat(":", ["owners", concat(",", owners)]),
	"teams": owners,
	"people": [],
	"count": max([need.count | some need in needs]),
	"order": 1,
	"because": _because(needs),
} if {
	request.adds_access
	some owners in {need.owners | some need in _needs; need.from == "owners"}
	needs := {need | some need in _needs; need.from == "owners"; need.owners == owners}
}

approvals contains {
	"id": "security",
	"teams": sort(settings.security_teams),
	"people": [],
	"count": max([need.count | some need in needs]),
	"order": 1,
	"because": _because(needs),
} if {
	request.adds_access
	needs := {need | some need in _needs; need.from == "security"}
	count(needs) > 0
}

# METADATA
# description: >-
#   Why a grant may merge without a person. A stranger's words about another's access are not
#   enough, however low the risk: they could replace what that person has, or use up a day's
#   maximum.
alone contains "low-risk" if {
	request.adds_access
	input.requester.is_app == false
	request.has_a_say
	settings.at(["reviewers", "low_merges_by_itself"]) == true
	count(request.bindings) > 0
	every binding in request.bindings {
		binding.role.risk == "low"
		count(settings.steps("low")) == 0
	}
}

# Where nobody has to approve and the request may not merge by itself, an owner approves.
_needs contains {
	"from": "owners",
	"count": 1,
	"owners": _owners(binding),
	"rank": _rank[binding.role.risk],
} if {
	count(alone) == 0
	every binding in request.bindings {
		count(settings.steps(binding.role.risk)) == 0
	}
	some binding in request.bindings
}

_needs contains {
	"from": step.from,
	"count": step.count,
	"owners": _owners(binding),
	"rank": _rank[binding.role.risk],
} if {
	some binding in request.bindings
	some step in settings.steps(binding.role.risk)
}

_owners(binding) := sort({owner | some owner in binding.target.owners}) if {
	is_array(binding.target.owners)
	every owner in binding.target.owners {
		is_string(owner)
		owner != ""
	}
}

_rank := {"low": 0, "medium": 1, "high": 2, "critical": 3}

_reasons := ["risk-low", "risk-medium", "risk-high", "risk-critical"]

_because(needs) := _reasons[max([need.rank | some need in needs])]
