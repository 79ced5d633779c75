# METADATA
# title: Settings are what the rules expect
# description: >-
#   One definition for each setting says when it is usable; a setting that is not is named, so
#   that nobody has to guess why everything is denied.
package access.rules.settings

import data.lib.eligibility
import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"setting-invalid"}

# METADATA
# title: Every setting is there and of its type
# description: Less access is never held up by a setting.
# custom:
#   code: setting-invalid
#   message: the setting {setting} is missing, of the wrong type or outside of what it may be
#   solution: correct it under policies/settings; daypass policy lint shows its line
deny contains result.whole("setting-invalid", {"setting": setting}) if {
	not request.takes_away
	some setting in _expected
	not setting in _valid
}

_expected := {
	"eligibility.entries",
	"emergency.max_duration",
	"emergency.review_teams",
	"emergency.review_within",
	"emergency.reviewers",
	"emergency.roles",
	"justification.boilerplate",
	"justification.min_length",
	"justification.ticket_environments",
	"justification.ticket_pattern",
	"justification.ticket_pattern_by_project",
	"limits.max_duration",
	"limits.max_duration_by_environment",
	"limits.max_duration_by_risk",
	"limits.max_duration_pipeline",
	"limits.max_extension",
	"limits.max_live_grants",
	"limits.max_requests_per_day",
	"limits.start_within",
	"limits.sum_within",
	"mfa.required_by_risk",
	"reviewers.by_risk",
	"reviewers.governance",
	"reviewers.low_merges_by_itself",
	"reviewers.merge_when_approved",
	"reviewers.security_teams",
	"roles.critical_only",
	"roles.sensitive",
	"roles.wildcard_verbs",
	"schedule.freezes",
	"schedule.hours",
	"schedule.maintenance",
	"separation.combinations",
	"targets.pipeline_enforced",
	"workloads.max_duration",
}

_valid contains "eligibility.entries" if {
	entries := settings.at(["eligibility", "entries"])
	is_object(entries)
	every entry in entries {
		eligibility.complete(entry)
	}
}

_valid contains "emergency.max_duration" if settings.positive(["emergency", "max_duration"])

_valid contains "emergency.review_teams" if settings.texts(["emergency", "review_teams"])

_valid contains "emergency.review_within" if settings.positive(["emergency", "review_within"])

_valid contains "emergency.reviewers" if settings.emergency_reviewers

_valid contains "emergency.roles" if settings.emergency_roles

_valid contains "justification.boilerplate" if settings.texts(["justification", "boilerplate"])

_valid contains "justification.min_length" if settings.positive(["justification", "min_length"])

_valid contains "justification.ticket_environments" if settings.texts(["justification", "ticket_environments"])

_valid contains "justification.ticket_pattern" if _pattern(settings.at(["justification", "ticket_pattern"]))

_valid contains "justification.ticket_pattern_by_project" if {
	patterns := settings.at(["justification", "ticket_pattern_by_project"])
	is_object(patterns)
	every pattern in patterns {
		_pattern(pattern)
	}
}

# Classes such as \d and flags such as (?i) mean different things to different engines.
_pattern(pattern) if {
	is_string(pattern)
	startswith(pattern, "^")
	endswith(pattern, "$")
	not contains(pattern, "\\")
	not contains(pattern, "(?")
}

_valid contains "limits.max_duration" if settings.positive(["limits", "max_duration"])

_valid contains "limits.max_duration_by_environment" if {
	limits := settings.at(["limits", "max_duration_by_environment"])
	is_object(limits)
	every limit in limits {
		is_number(limit)
		limit > 0
	}
}

_valid contains "limits.max_duration_by_risk" if {
	limits := settings.at(["limits", "max_duration_by_risk"])
	is_object(limits)
	count(limits) == 4
	every risk in ["low", "medium", "high", "critical"] {
		settings.positive(["limits", "max_duration_by_risk", risk])
	}
}

_valid contains "limits.max_duration_pipeline" if settings.positive(["limits", "max_duration_pipeline"])

_valid contains "limits.max_live_grants" if settings.positive(["limits", "max_live_grants"])

_valid contains "limits.max_extension" if settings.positive(["limits", "max_extension"])

_valid contains "limits.max_requests_per_day" if settings.positive(["limits", "max_requests_per_day"])

_valid contains "limits.start_within" if settings.positive(["limits", "start_within"])

# Lives that are over are told for longer than this.
_valid contains "limits.sum_within" if settings.positive(["limits", "sum_within"]) <= 2592000

_valid contains "mfa.required_by_risk" if {
	every risk in settings.texts(["mfa", "required_by_risk"]) {
		risk in {"low", "medium", "high", "critical"}
	}
}

_valid contains "reviewers.by_risk" if {
	every risk in ["low", "medium", "high", "critical"] {
		settings.steps(risk)
	}
}

_valid contains "reviewers.governance" if settings.positive(["reviewers", "governance"])

_valid contains "reviewers.low_merges_by_itself" if is_boolean(settings.at(["reviewers", "low_merges_by_itself"]))

# It may be left out, and then people merge.
_valid contains "reviewers.merge_when_approved" if settings.at(["reviewers", "merge_when_approved"]) in {true, false, null}

_valid contains "reviewers.security_teams" if settings.security_teams

_valid contains "roles.critical_only" if {
	every cloud in ["aws", "azure", "gcp"] {
		settings.texts(["roles", "critical_only", cloud])
	}
}

_valid contains "schedule.freezes" if settings.freezes

_valid contains "schedule.hours" if settings.hours

_valid contains "schedule.maintenance" if settings.maintenance

_valid contains "roles.sensitive" if {
	sensitive := settings.at(["roles", "sensitive"])
	is_object(sensitive)
	count(sensitive) == 3
	settings.words(["roles", "sensitive", "services"])
	verbs := settings.words(["roles", "sensitive", "verbs"])
	actions := settings.texts(["roles", "sensitive", "actions"])
	_action_names(actions)
	not _wildcard_covers(verbs, actions)
}

_action_names(actions) if count(actions) == 0

# All at once: regorus prepares a pattern anew for every name that it is asked about.
_action_names(actions) if {
	every action in actions {
		not contains(action, ",")
	}
	regex.match("^[A-Za-z0-9-]+:[A-Za-z0-9]+(,[A-Za-z0-9-]+:[A-Za-z0-9]+)*$", concat(",", actions))
}

# A wildcard after one of `wildcard_verbs` would allow what is sensitive.
_wildcard_covers(verbs, _) if {
	some wildcard in settings.words(["roles", "wildcard_verbs"])
	some verb in verbs
	_one_begins_the_other(lower(wildcard), lower(verb))
}

_wildcard_covers(_, actions) if {
	some wildcard in settings.words(["roles", "wildcard_verbs"])
	contains(lower(concat(",", actions)), concat("", [":", lower(wildcard)]))
}

_one_begins_the_other(one, other) if startswith(one, other)

_one_begins_the_other(one, other) if startswith(other, one)

_valid contains "roles.wildcard_verbs" if settings.words(["roles", "wildcard_verbs"])

_valid contains "separation.combinations" if settings.combinations

_valid contains "targets.pipeline_enforced" if settings.texts(["targets", "pipeline_enforced"])

_valid contains "workloads.max_duration" if settings.positive(["workloads", "max_duration"])
