package access.rules.self_approval_test

import data.access.rules.self_approval
import data.lib.fixtures_test as f

_denied(document) := denied if {
	denied := self_approval.deny with input as document with data.settings as f.settings
}

_approved_by(name) := f.set(f.request, "/approvals", [{"principal": name}, {"principal": "carol"}])

test_allow_somebody_else if _denied(_approved_by("bob")) == set()

test_deny_the_subject if {
	_denied(_approved_by("alice")) == {{
		"code": "self-approval",
		"binding": -1,
		"values": {"people": ["alice"]},
	}}
}

test_deny_the_requester if {
	document := f.set(_approved_by("bob"), "/requester/principal", "bob")
	f.codes(_denied(document)) == {"self-approval"}
}

test_deny_the_person_asked_for if {
	document := f.set(_approved_by("bob"), "/grant/requested_by", "bob")
	f.codes(_denied(document)) == {"self-approval"}
}

test_deny_an_unnamed_approval if f.codes(_denied(_approved_by(null))) == {"self-approval"}

test_deny_with_approvals_unknown if {
	f.codes(_denied(f.without(f.request, "/approvals"))) == {"self-approval"}
	every odd in [null, "bob", {}, {"first": {"principal": "bob"}}] {
		f.codes(_denied(f.set(f.request, "/approvals", odd))) == {"self-approval"}
	}
}
