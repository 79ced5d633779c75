package checks.annotations_test

import data.checks.annotations

_path(names) := [{"value": name} | some name in names]

_package := {
	"annotations": {"scope": "package", "title": "Moon", "description": "Phases."},
	"path": _path(["data", "access", "rules", "moon"]),
}

_rule := {
	"annotations": {
		"scope": "rule",
		"title": "Full moon only",
		"description": "Wolves.",
		"custom": {"code": "moon-not-full", "message": "it is {phase}", "solution": "wait"},
	},
	"location": {"file": "moon.rego", "row": 3},
	"path": _path(["data", "access", "rules", "moon", "deny"]),
}

_found(rules) := codes if {
	codes := {problem.code | some problem in annotations.deny} with input as {
		"annotations": array.concat([_package], rules),
		"namespaces": {
			"data.access.rules.moon": ["moon.rego"],
			"data.access.rules.moon_test": ["moon_test.rego"],
			"data.settings.moon": ["data.yaml"],
		},
	}
}

_without(key) := json.patch(_rule, [{"op": "remove", "path": key}])

test_a_documented_rule_is_fine if _found([_rule]) == set()

test_no_rules_at_all if _found([]) == {"no-rules"}

test_each_word_is_needed if {
	every key in [
		"/annotations/title",
		"/annotations/description",
		"/annotations/custom/code",
		"/annotations/custom/message",
		"/annotations/custom/solution",
		"/annotations/custom",
	] {
		_found([_without(key)]) == {"words-missing"}
	}
}

test_a_code_is_dashed_words if {
	odd := json.patch(_rule, [{"op": "add", "path": "/annotations/custom/code", "value": "Moon Phase"}])
	_found([odd]) == {"words-missing"}
}

test_a_code_is_used_once if {
	again := json.patch(_rule, [{"op": "add", "path": "/location/row", "value": 9}])
	_found([_rule, again]) == {"code-twice"}
}

test_a_package_is_explained if {
	found := annotations.deny with input as {"annotations": [_rule], "namespaces": {"data.access.rules.moon": ["moon.rego"]}}
	found == {{"code": "package-unexplained", "package": "data.access.rules.moon"}}
}
