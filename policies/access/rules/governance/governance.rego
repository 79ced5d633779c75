# METADATA
# title: Who changes the rules
# description: Changes to policies, catalogue and workflows are approved by security, always.
package access.rules.governance

import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"governance-unreviewed"}

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
	count(settings.security_teams) > 0
	settings.positive(["reviewers", "governance"]) >= 1
}

# METADATA
# description: The approvals that a change of the rules needs.
approvals contains {
	"id": "governance",
	"teams": sort(settings.security_teams),
	"people": [],
	"count": settings.positive(["reviewers", "governance"]),
	"order": 1,
	"because": "governance",
} if {
	request.governance
}
