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

_with(path, value) := json.patch(_rule, [{"op": "add", "path": path, "value": value}])

test_each_word_says_something if {
	every key in ["title", "description", "custom/code", "custom/message", "custom/solution"] {
		every odd in ["", null, 1, ["words"]] {
			_found([_with(concat("/", ["/annotations", key]), odd)]) == {"words-missing"}
		}
	}
}

test_a_warning_needs_words_too if {
	warning := _with("/path", _path(["data", "access", "rules", "moon", "warn"]))
	_found([warning]) == set()
	_found([json.patch(warning, [{"op": "remove", "path": "/annotations/title"}])]) == {"words-missing"}
}

test_only_rules_that_deny_or_warn_need_words if {
	mute := _without("/annotations/custom")
	every change in [
		["/path", _path(["data", "access", "rules", "moon", "codes"])],
		["/path", _path(["data", "access", "lib", "moon", "deny"])],
		["/path", _path(["data", "lib", "rules", "moon", "deny"])],
		["/path", _path(["input", "access", "rules", "moon", "deny"])],
		["/path", _path(["data", "access"])],
		["/annotations/scope", "document"],
	] {
		patch := {"op": "replace", "path": change[0], "value": change[1]}
		_found([_rule, json.patch(mute, [patch])]) == set()
		_found([json.patch(mute, [patch])]) == {"no-rules"}
	}
}

test_a_code_is_dashed_words if {
	odd := json.patch(_rule, [{"op": "add", "path": "/annotations/custom/code", "value": "Moon Phase"}])
	_found([odd]) == {"words-missing"}
}

test_a_code_is_used_once if {
	again := json.patch(_rule, [{"op": "add", "path": "/location/row", "value": 9}])
	_found([_rule, again]) == {"code-twice"}
	other := json.patch(again, [{"op": "replace", "path": "/annotations/custom/code", "value": "moon-hidden"}])
	_found([_rule, other]) == set()
}

test_a_package_is_explained if {
	found := annotations.deny with input as {"annotations": [_rule], "namespaces": {"data.access.rules.moon": ["moon.rego"]}}
	found == {{"code": "package-unexplained", "package": "data.access.rules.moon"}}
}

test_a_package_is_explained_by_title_and_description_of_its_own if {
	every change in [
		["/annotations/scope", "subpackages"],
		["/annotations/title", ""],
		["/annotations/title", null],
		["/annotations/description", ""],
		["/annotations/description", null],
	] {
		odd := json.patch(_package, [{"op": "replace", "path": change[0], "value": change[1]}])
		codes := {problem.code | some problem in annotations.deny} with input as {
			"annotations": [_rule, odd],
			"namespaces": {"data.access.rules.moon": ["moon.rego"]},
		}
		codes == {"package-unexplained"}
	}
}
