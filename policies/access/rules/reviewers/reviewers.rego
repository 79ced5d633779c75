# METADATA
# title: Who approves more access
# description: >-
#   Distinct people by the risk of each role: owners of its target, security, or whom the
#   settings name. Steps of the same people are one step with the larger count, unless one comes
#   after the other.
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

_security_named if settings.security_teams

# METADATA
# description: >-
#   The approvals that a grant needs. An emergency needs none: its review comes afterwards.
approvals contains {
	"id": id,
	"teams": need.teams,
	"people": need.people,
	"count": max([one.count | some one in needs]),
	"order": need.order,
	"because": _because(needs),
} if {
	request.adds_access
	some id in {need.id | some need in _needs}
	needs := {need | some need in _needs; need.id == id}
	some need in needs
}

# METADATA
# description: >-
#   Why a grant may merge without a person. A stranger's words about another's access are not
#   enough, however low the risk: they could replace what that person has, or use up a day's
#   maximum. For a workload it is its owner's word that counts.
alone contains "low-risk" if {
	request.adds_access
	not request.emergency
	input.requester.is_app == false
	_may_ask_alone
	settings.at(["reviewers", "low_merges_by_itself"]) == true
	count(request.bindings) > 0
	every binding in request.bindings {
		binding.role.risk == "low"
		count(settings.steps("low")) == 0
	}
}

# METADATA
# description: >-
#   The App merges a grant as soon as the last approval is in. Changes of what decides are merged
#   by people.
when_approved if {
	input.kind == "grant"
	settings.at(["reviewers", "merge_when_approved"]) == true
}

_may_ask_alone if {
	input.subject.kind == "person"
	request.has_a_say
}

_may_ask_alone if {
	is_string(input.requester.principal)
	input.requester.principal == input.subject.owner
}

# Where nobody has to approve and the request may not merge by itself, an owner approves.
# In the body, not in the head: regorus takes a whole set with an undefined member of it.
_needs contains need if {
	not request.emergency
	count(alone) == 0
	every binding in request.bindings {
		count(settings.steps(binding.role.risk)) == 0
	}
	some binding in request.bindings
	need := _need(binding, {"from": "owners", "count": 1})
}

_needs contains need if {
	not request.emergency
	some binding in request.bindings
	some step in settings.steps(binding.role.risk)
	need := _need(binding, step)
}

# Undefined where nobody could approve, which the rules above deny.
_need(binding, step) := {
	"id": concat("", [who.id, _suffixes[order]]),
	"teams": who.teams,
	"people": who.people,
	"count": step.count,
	"order": order,
	"rank": _rank[binding.role.risk],
} if {
	who := _who(binding, step)
	order := object.get(step, "order", 1)
}

_who(binding, step) := {"id": concat(":", ["owners", concat(",", owners)]), "teams": owners, "people": []} if {
	step.from == "owners"
	owners := _owners(binding)
	count(owners) > 0
}

_who(_, step) := {"id": "security", "teams": sort(settings.security_teams), "people": []} if {
	step.from == "security"
}

_who(_, step) := {"id": concat(":", ["named", concat(",", teams), concat(",", people)]), "teams": teams, "people": people} if {
	not _of_a_kind(step)
	teams := sort({team | some team in object.get(step, "teams", [])})
	people := sort({name | some name in object.get(step, "people", [])})
}

_of_a_kind(step) if is_string(step.from)

# Two steps of the same people are two only if one comes after the other.
_suffixes := ["", "", "@2", "@3", "@4", "@5", "@6", "@7", "@8", "@9"]

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
