# METADATA
# title: Less access never waits
# description: >-
#   Narrowing and deleting merge by themselves when asked by the subject, the requester, an owner
#   of every target concerned, security or the App. Anybody else needs one owner: taking other
#   people's access away is an attack too.
package access.rules.less_access

import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"judge-missing"}

# METADATA
# title: Somebody can let a stranger take access away
# description: >-
#   Where the targets have no owners and no security team is named, only those with a say in the
#   grant may narrow or delete it.
# custom:
#   code: judge-missing
#   message: neither owners of the targets nor a security team could approve this
#   solution: let the subject delete the grant, or set security_teams in settings/reviewers
deny contains result.whole("judge-missing", {}) if {
	request.takes_away
	not _settled
}

_settled if request.has_a_say

# Never empty: undefined where there are none.
_settled if _judges

# METADATA
# description: The one approval that a stranger to this grant needs.
approvals contains {
	"id": "less-access",
	"teams": sort(_judges),
	"people": [],
	"count": 1,
	"order": 1,
	"because": "less-access",
} if {
	request.takes_away
	not request.has_a_say
}

# METADATA
# description: Why this merges without a person.
alone contains "less-access" if {
	request.takes_away
	request.has_a_say
}

_owners := {owner |
	some binding in request.bindings
	some owner in binding.target.owners
}

# A grant whose targets nobody owns any more is security's to take away.
_judges := _owners if count(_owners) > 0

_judges := settings.security_teams if count(_owners) == 0
