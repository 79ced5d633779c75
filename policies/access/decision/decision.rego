# METADATA
# title: The decision
# description: >-
#   Unites what every package under `access.rules` says. A package is found by being there; that
#   none is missing is seen from `evaluated`, which is compared with the annotations of all rules.
package access.decision

import data.lib.request

# METADATA
# description: Everything that decides about one request.
# entrypoint: true
result := {
	"violations": _violations,
	"warnings": _warnings,
	"approvals": _approvals,
	"excluded": request.excluded,
	"merges_by_itself": _merges_by_itself,
	"merges_when_approved": _merges_when_approved,
	"why": _why,
	"evaluated": _evaluated,
}

_violations contains violation if {
	some topic
	some violation in data.access.rules[topic].deny
}

_warnings contains warning if {
	some topic
	some warning in data.access.rules[topic].warn
}

_approvals contains approval if {
	some topic
	some approval in data.access.rules[topic].approvals
}

_alone contains reason if {
	some topic
	some reason in data.access.rules[topic].alone
}

_evaluated contains code if {
	some topic
	codes := data.access.rules[topic].codes
	topic in _judging
	some code in codes
}

# By itself: looking up `deny` of a topic that is known already costs regorus a quarter of the
# whole decision.
_judging contains topic if {
	some topic
	is_set(data.access.rules[topic].deny)
}

default _merges_by_itself := false

_merges_by_itself if {
	count(_violations) == 0
	count(_approvals) == 0
	count(_alone) == 1
}

default _merges_when_approved := false

_merges_when_approved if {
	count(_violations) == 0
	count(_approvals) > 0
	some topic
	data.access.rules[topic].when_approved == true
}

# Nothing required and no reason to merge alone is a hole in the rules; its reader denies.
default _why := "nothing"

_why := "violations" if count(_violations) > 0

_why := "approvals" if {
	count(_violations) == 0
	count(_approvals) > 0
}

_why := reason if {
	_merges_by_itself
	some reason in _alone
}
