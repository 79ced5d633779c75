package access.decision_test

import data.access.decision
import data.lib.fixtures_test as f

_result(document, settings) := result if {
	result := decision.result with input as document with data.settings as settings
}

_summary(document, settings) := [f.codes(result.violations), result.merges_by_itself, result.why] if {
	result := _result(document, settings)
}

_low := f.set(f.request, "/bindings/0/role/risk", "low")

test_low_risk_merges_by_itself if _summary(_low, f.settings) == [set(), true, "low-risk"]

test_medium_risk_waits_for_approval if _summary(f.request, f.settings) == [set(), false, "approvals"]

test_the_rules_never_change_by_themselves if {
	_summary(f.governance, f.settings) == [set(), false, "approvals"]
}

test_less_access_merges_by_itself if {
	document := f.set(f.request, "/change", "delete")
	_summary(document, f.settings) == [set(), true, "less-access"]
}

_urgent := f.set(
	f.set(
		f.set(f.set(f.request, "/grant/emergency", true), "/grant/duration", 3600),
		"/window/end", f.request.now + 3600,
	),
	"/subject/on_call", ["payments"],
)

test_an_emergency_merges_by_itself_whatever_its_risk if {
	every risk in ["low", "medium"] {
		document := f.set(_urgent, "/bindings/0/role/risk", risk)
		_summary(document, f.settings) == [set(), true, "emergency"]
	}
}

test_nobody_can_approve_an_emergency_that_is_none if {
	document := f.set(_urgent, "/subject/on_call", [])
	_summary(document, f.settings) == [{"emergency-not-on-call"}, false, "violations"]
	_result(document, f.settings).approvals == set()
}

test_a_violation_merges_nothing if {
	document := f.set(_low, "/subject/disabled", true)
	_summary(document, f.settings) == [{"subject-disabled"}, false, "violations"]
}

test_without_rules_nothing_merges if {
	result := decision.result with input as f.request with data.settings as {} with data.access.rules as {}
	result.why == "nothing"
	result.merges_by_itself == false
	result.evaluated == set()
}

test_everybody_involved_is_excluded if {
	document := f.set(f.set(f.request, "/requester/principal", "bob"), "/grant/requested_by", "carol")
	_result(document, f.settings).excluded == {"alice", "bob", "carol"}
}

test_warnings_do_not_deny if {
	settings := f.set(f.settings, "/targets/pipeline_enforced", ["aws/payments-prod"])
	document := f.set(
		f.set(f.set(_low, "/bindings/0/target/expiry", "pipeline"), "/grant/duration", 3600),
		"/window/end", f.request.now + 3600,
	)
	_summary(document, settings) == [set(), true, "low-risk"]
	f.codes(_result(document, settings).warnings) == {"pipeline-enforced"}
}

test_every_rule_is_named if {
	result := _result(f.request, f.settings)
	result.evaluated == {code |
		some topic
		some code in data.access.rules[topic].codes
	}
	count(result.evaluated) > 20
}

_topics(topics) := result if {
	result := decision.result with input as f.request with data.settings as f.settings with data.access.rules as topics
}

test_a_topic_that_denies_with_no_set_is_not_named if {
	every odd in [[], {}] {
		topics := {"fine": {"codes": {"a"}, "deny": set()}, "odd": {"codes": {"b"}, "deny": odd}, "mute": {"codes": {"c"}}}
		_topics(topics).evaluated == {"a"}
	}
}

test_what_needs_approval_does_not_merge_by_itself if {
	result := _topics({"odd": {"codes": {"a"}, "deny": set(), "alone": {"odd"}, "approvals": {"somebody"}}})
	[result.merges_by_itself, result.why] == [false, "approvals"]
}

_when_approved(document, setting) := _result(
	document,
	f.set(f.settings, "/reviewers/merge_when_approved", setting),
).merges_when_approved

test_the_app_merges_what_is_approved_where_the_setting_says_so if {
	_when_approved(f.request, true)
	not _when_approved(f.request, false)
	_result(f.request, f.settings).merges_when_approved == false
}

test_a_setting_of_the_wrong_type_merges_nothing if {
	every odd in ["true", 1, ["true"], null, {}] {
		not _when_approved(f.request, odd)
	}
}

test_people_merge_changes_of_what_decides if not _when_approved(f.governance, true)

test_what_needs_no_approval_and_what_is_denied_is_not_merged_for_one if {
	not _when_approved(_low, true)
	not _when_approved(f.set(f.request, "/subject/disabled", true), true)
}
