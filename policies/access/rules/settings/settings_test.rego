package access.rules.settings_test

import data.access.rules.settings
import data.lib.fixtures_test as f

_invalid(values) := names if {
	names := {violation.values.setting |
		some violation in settings.deny
		violation.code == "setting-invalid"
	} with input as f.request with data.settings as values
}

_all := {concat(".", [file, name]) | some file, names in f.settings; some name, _ in names}

test_the_settings_are_valid if _invalid(f.settings) == set()

test_the_pack_brings_valid_settings if _invalid(data.settings) == set()

test_every_setting_is_needed if {
	every setting in _all {
		path := concat("/", ["", replace(setting, ".", "/")])
		_invalid(f.without(f.settings, path)) == {setting}
	}
}

test_every_setting_has_a_type if {
	every setting in _all {
		path := concat("/", ["", replace(setting, ".", "/")])
		every value in [null, "text", -1, [1], {"odd": 0}] {
			_invalid(f.set(f.settings, path, value)) == {setting}
		}
	}
}

test_maxima_of_environments_are_numbers if {
	every value in [null, "14400", true, [14400], 0] {
		_invalid(f.set(f.settings, "/limits/max_duration_by_environment/prod", value)) == {"limits.max_duration_by_environment"}
	}
}

test_without_settings_all_are_named if {
	_invalid({}) == _all
	_invalid(null) == _all
}

test_lives_are_summed_over_thirty_days_at_most if {
	_invalid(f.set(f.settings, "/limits/sum_within", 2592000)) == set()
	_invalid(f.set(f.settings, "/limits/sum_within", 2592001)) == {"limits.sum_within"}
}

test_patterns_that_engines_read_differently_are_invalid if {
	every pattern in ["PAY", "^PAY", "PAY$", "^\\d+$", "^(?i)pay$"] {
		_invalid(f.set(f.settings, "/justification/ticket_pattern", pattern)) == {"justification.ticket_pattern"}
		by_project := f.set(f.settings, "/justification/ticket_pattern_by_project/payments", pattern)
		_invalid(by_project) == {"justification.ticket_pattern_by_project"}
	}
}

test_what_is_sensitive_is_said_in_three_lists if {
	every change in [
		f.without(f.settings, "/roles/sensitive/verbs"),
		f.without(f.settings, "/roles/sensitive/services"),
		f.without(f.settings, "/roles/sensitive/actions"),
		f.set(f.settings, "/roles/sensitive/verb", ["Delete"]),
		f.set(f.settings, "/roles/sensitive/verbs", ["Dele*"]),
		f.set(f.settings, "/roles/sensitive/services", ["iam:"]),
		f.set(f.settings, "/roles/sensitive/actions", ["CreateRoute"]),
		f.set(f.settings, "/roles/sensitive/actions", ["ec2:Create*"]),
		f.set(f.settings, "/roles/sensitive/actions", ["ec2:CreateRoute,ec2:CreateVpc"]),
		f.set(f.settings, "/roles/sensitive/actions", ["ec2:CreateRoute,"]),
		f.set(f.settings, "/roles/sensitive/actions", ["ec2:CreateRoute", "CreateVpc"]),
		f.set(f.settings, "/roles/sensitive/services", ["iam", "sts sso"]),
	] {
		_invalid(change) == {"roles.sensitive"}
	}
}

test_no_action_may_be_sensitive if {
	_invalid(f.set(f.settings, "/roles/sensitive/actions", [])) == set()
}

test_no_wildcard_covers_what_is_sensitive if {
	every verb in ["Delete", "del", "DeleteTable"] {
		_invalid(f.set(f.settings, "/roles/wildcard_verbs", [verb])) == {"roles.sensitive"}
	}
	_invalid(f.set(f.settings, "/roles/wildcard_verbs", ["create"])) == {"roles.sensitive"}
}

test_verbs_for_wildcards_are_names if {
	every verb in ["", "De*", "^D"] {
		_invalid(f.set(f.settings, "/roles/wildcard_verbs", [verb])) == {"roles.wildcard_verbs"}
	}
	_invalid(f.set(f.settings, "/roles/wildcard_verbs", [])) == set()
}

test_entries_name_people_roles_and_targets if {
	every key in ["teams", "roles", "environments"] {
		path := concat("/", ["/eligibility/entries/engineers", key])
		_invalid(f.without(f.settings, path)) == {"eligibility.entries"}
		every value in [null, "text", [], [1], [""], ["*"], {"a": "b"}] {
			_invalid(f.set(f.settings, path, value)) == {"eligibility.entries"}
		}
	}
	every key in ["principals", "targets", "tags", "environment"] {
		path := concat("/", ["/eligibility/entries/engineers", key])
		every value in [null, "text", [], [1], [""], {}, {"a": 1}] {
			_invalid(f.set(f.settings, path, value)) == {"eligibility.entries"}
		}
	}
}

test_entries_know_the_wildcards_of_clouds_only if {
	every id in ["*", "moon/*", "aws/rds-*", "rds-reader", "aws/*/x", "aws/", "*/rds-reader"] {
		_invalid(f.set(f.settings, "/eligibility/entries/engineers/roles", [id])) == {"eligibility.entries"}
		_invalid(f.set(f.settings, "/eligibility/entries/engineers/targets", [id])) == {"eligibility.entries"}
	}
	every id in ["aws/*", "azure/*", "gcp/*", "aws/rds-reader"] {
		_invalid(f.set(f.settings, "/eligibility/entries/engineers/roles", [id])) == set()
	}
}

test_entries_hold_nothing_unknown if {
	every value in [["aws/*"], ["prod"], {"pci": "true"}] {
		_invalid(f.set(f.settings, "/eligibility/entries/engineers/environment", value)) == {"eligibility.entries"}
	}
}

test_entries_may_be_none_and_of_every_selector if {
	_invalid(f.set(f.settings, "/eligibility/entries", {})) == set()
	full := f.set(f.settings, "/eligibility/entries/engineers", {
		"principals": ["alice"],
		"roles": ["aws/*"],
		"targets": ["gcp/*"],
		"tags": {"pci": "true"},
	})
	_invalid(full) == set()
}

test_less_access_waits_for_no_setting if {
	document := f.set(f.request, "/change", "delete")
	found := settings.deny with input as document with data.settings as {}
	found == set()
}

test_security_is_somebody if {
	_invalid(f.set(f.settings, "/reviewers/security_teams", [])) == {"reviewers.security_teams"}
}

test_an_emergency_is_reviewed_by_two if {
	_invalid(f.set(f.settings, "/emergency/reviewers", 1)) == {"emergency.reviewers"}
	_invalid(f.set(f.settings, "/emergency/reviewers", 3)) == set()
}

test_risks_that_need_a_second_factor_are_risks if {
	_invalid(f.set(f.settings, "/mfa/required_by_risk", ["low", "severe"])) == {"mfa.required_by_risk"}
	_invalid(f.set(f.settings, "/mfa/required_by_risk", [])) == set()
}

test_an_empty_list_is_no_map if {
	every setting in [
		"schedule.hours",
		"schedule.maintenance",
		"schedule.freezes",
		"separation.combinations",
		"emergency.roles",
	] {
		path := concat("/", ["", replace(setting, ".", "/")])
		_invalid(f.set(f.settings, path, [])) == {setting}
		_invalid(f.set(f.settings, path, {})) == set()
	}
}

test_a_schedule_names_its_calendars if {
	freeze := {"environments": ["prod"]}
	maintenance := {"mode": "permits", "environments": ["prod"]}
	every odd in ["", 1, null, ["year-end"]] {
		_invalid(f.set(f.settings, "/schedule/freezes/x", f.set(freeze, "/calendar", odd))) == {"schedule.freezes"}
		_invalid(f.set(f.settings, "/schedule/maintenance/x", f.set(maintenance, "/calendar", odd))) == {"schedule.maintenance"}
	}
	_invalid(f.set(f.settings, "/schedule/freezes/x", freeze)) == {"schedule.freezes"}
	_invalid(f.set(f.settings, "/schedule/maintenance/x", maintenance)) == {"schedule.maintenance"}
	_invalid(f.set(f.settings, "/schedule/maintenance/x", f.set(maintenance, "/calendar", "x"))) == set()
}

test_steps_are_of_a_whole_order_from_one_to_nine if {
	every order in [1, 2, 3, 4, 5, 6, 7, 8, 9] {
		_invalid(f.set(f.settings, "/reviewers/by_risk/medium/0/order", order)) == set()
	}
	every order in [0, 10, 1.5, -1, "1", null] {
		_invalid(f.set(f.settings, "/reviewers/by_risk/medium/0/order", order)) == {"reviewers.by_risk"}
	}
}

test_steps_are_in_a_list if {
	every risk, steps in f.settings.reviewers.by_risk {
		path := concat("/", ["/reviewers/by_risk", risk])
		every odd in [{}, {"first": {"from": "security", "count": 1}}] {
			_invalid(f.set(f.settings, path, odd)) == {"reviewers.by_risk"}
		}
		_invalid(f.set(f.settings, path, steps)) == set()
	}
}

test_steps_are_of_one_person_or_more if {
	_invalid(f.set(f.settings, "/reviewers/by_risk/medium/0/count", 1)) == set()
	every people in [0, 0.5, -1, "1", null] {
		_invalid(f.set(f.settings, "/reviewers/by_risk/medium/0/count", people)) == {"reviewers.by_risk"}
	}
}

test_limits_are_one_or_more if {
	every path in [
		"/limits/max_duration",
		"/limits/max_duration_by_risk/low",
		"/limits/max_duration_by_environment/prod",
		"/limits/max_duration_pipeline",
		"/limits/max_extension",
		"/limits/max_live_grants",
		"/limits/max_requests_per_day",
		"/limits/start_within",
		"/limits/sum_within",
		"/justification/min_length",
		"/emergency/max_duration",
		"/emergency/review_within",
		"/workloads/max_duration",
		"/reviewers/governance",
	] {
		_invalid(f.set(f.settings, path, 1)) == set()
		count(_invalid(f.set(f.settings, path, 0))) == 1
	}
}

test_every_risk_has_its_maximum_and_nothing_else_has if {
	every risk in ["low", "medium", "high", "critical"] {
		path := concat("/", ["/limits/max_duration_by_risk", risk])
		_invalid(f.without(f.settings, path)) == {"limits.max_duration_by_risk"}
	}
	_invalid(f.set(f.settings, "/limits/max_duration_by_risk/grave", 60)) == {"limits.max_duration_by_risk"}
}

test_an_emergency_is_reviewed_by_no_fewer_than_two if {
	_invalid(f.set(f.settings, "/emergency/reviewers", 2)) == set()
	_invalid(f.set(f.settings, "/emergency/reviewers", 1.5)) == {"emergency.reviewers"}
}

test_names_are_one_letter_or_more if {
	_invalid(f.set(f.settings, "/targets/pipeline_enforced", ["a"])) == set()
	_invalid(f.set(f.settings, "/targets/pipeline_enforced", ["a", ""])) == {"targets.pipeline_enforced"}
}

test_combinations_have_two_sides_that_share_nothing if {
	_invalid(f.set(f.settings, "/separation/combinations/x", {"one": ["a"], "other": ["b"]})) == set()
	every odd in [
		{"one": ["a"], "other": ["a"]},
		{"one": ["a", "b"], "other": ["b", "a"]},
		{"one": ["a"], "other": []},
		{"one": [], "other": ["b"]},
		{"one": ["a"], "other": ["b"], "third": ["c"]},
	] {
		_invalid(f.set(f.settings, "/separation/combinations/x", odd)) == {"separation.combinations"}
	}
}

test_whether_the_app_merges_what_is_approved_may_be_left_out_and_is_true_or_false if {
	_invalid(f.settings) == set()
	every fine in [true, false] {
		_invalid(f.set(f.settings, "/reviewers/merge_when_approved", fine)) == set()
	}
	every odd in ["true", 1, [], {}] {
		_invalid(f.set(f.settings, "/reviewers/merge_when_approved", odd)) == {"reviewers.merge_when_approved"}
	}
}
