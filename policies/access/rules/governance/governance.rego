# METADATA
# title: Who changes the rules
# description: >-
#   Changes to policies, catalogue and workflows are approved by security, always; reviews of
#   emergency access by at least two people.
package access.rules.governance

import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"governance-unreviewed", "emergency-unreviewed"}

# METADATA
# title: Somebody reviews the rules
# description: Without reviewers in the settings the rules cannot be changed by a pull request.
# custom:
#   code: governance-unreviewed
#   message: nobody is named to review changes to policies, catalogue and workflows (settings/reviewers)
#   solution: set security_teams and governance in settings/reviewers
deny contains result.whole("governance-unreviewed", {}) if {
	request.governance
	not _reviewed
}

_reviewed if {
	settings.security_teams
	settings.positive(["reviewers", "governance"]) >= 1
}

# METADATA
# title: Somebody reviews the use of emergency access
# description: >-
#   At least two people, of the security teams or those that the settings name. Without them no
#   review could be closed, which must not mean that nobody has to.
# custom:
#   code: emergency-unreviewed
#   message: nobody is named to review the emergency access of {people:list} (settings/emergency)
#   solution: set reviewers (at least 2) and review_teams in settings/emergency, and security_teams in settings/reviewers
deny contains result.whole("emergency-unreviewed", {"people": _used_by}) if {
	request.governance
	not _uses_reviewed
}

_uses_reviewed if input.reviews == []

_uses_reviewed if {
	is_array(input.reviews)
	every name in input.reviews {
		is_string(name)
		name != ""
	}
	settings.security_teams
	settings.texts(["emergency", "review_teams"])
	settings.emergency_reviewers
}

_used_by := sort({name |
	is_array(input.reviews)
	some name in input.reviews
	is_string(name)
	name != ""
})

# METADATA
# description: >-
#   The approvals that a change of the rules needs. Where nothing but reviews of emergency access
#   changes, those who review it are enough.
approvals contains {
	"id": "governance",
	"teams": sort(settings.security_teams),
	"people": [],
	"count": settings.positive(["reviewers", "governance"]),
	"order": 1,
	"because": "governance",
} if {
	request.governance
	not _reviews_only
}

approvals contains {
	"id": "emergency-review",
	"teams": sort(_review_teams),
	"people": [],
	"count": settings.emergency_reviewers,
	"order": 1,
	"because": "emergency-review",
} if {
	request.governance
	count(_used_by) > 0
}

_review_teams contains team if some team in settings.security_teams

_review_teams contains team if some team in settings.texts(["emergency", "review_teams"])

_reviews_only if {
	count(_used_by) > 0
	is_array(input.paths)
	count(input.paths) > 0
	every path in input.paths {
		is_string(path)
		startswith(path, "access/reviews/")
	}
}
