# METADATA
# title: Nobody approves for themselves
# description: Requester, subject and the person for whom the App asked never approve.
package access.rules.self_approval

import data.lib.request
import data.lib.result

# METADATA
# description: Every code of this package.
codes := {"self-approval"}

# METADATA
# title: No counted approval is one's own
# description: >-
#   Approvals are counted outside of the policies with the people named in `excluded` left out;
#   this holds the counting to it.
# custom:
#   code: self-approval
#   message: an approval by {people:list} was counted, who may not approve this request
#   solution: ask somebody else to approve
deny contains result.whole("self-approval", {"people": _own}) if not _independent

_independent if {
	is_array(input.approvals)
	every approval in input.approvals {
		is_string(approval.principal)
		not approval.principal in request.excluded
	}
}

_own := sort({approval.principal |
	is_array(input.approvals)
	some approval in input.approvals
	approval.principal in request.excluded
})
