# METADATA
# title: Rules are documents
# description: >-
#   Policy about the policies: `opa inspect -a -f json policies` is its input. What it finds is
#   code and place, as everywhere here.
package checks.annotations

_needed := {"code", "message", "solution"}

_rules contains entry if {
	some entry in input.annotations
	keys := [part.value | some part in entry.path]
	[keys[0], keys[1], keys[2]] == ["data", "access", "rules"]
	keys[count(keys) - 1] in {"deny", "warn"}
	entry.annotations.scope == "rule"
}

# METADATA
# title: There are rules to check
# description: An input without annotations is not one without mistakes.
deny contains {"code": "no-rules"} if count(_rules) == 0

# METADATA
# title: Every rule has words
# description: Title, description, code, message and solution are texts that say something.
deny contains {"code": "words-missing", "file": entry.location.file, "row": entry.location.row} if {
	some entry in _rules
	not _worded(entry.annotations)
}

_worded(annotation) if {
	_said(annotation.title)
	_said(annotation.description)
	every key in _needed {
		_said(annotation.custom[key])
	}
	regex.match(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`, annotation.custom.code)
}

_said(text) if {
	is_string(text)
	text != ""
}

# METADATA
# title: Codes are unique
# description: A code names one rule in messages, tests and records.
deny contains {"code": "code-twice", "twice": code} if {
	some entry in _rules
	code := entry.annotations.custom.code
	count([other | some other in _rules; other.annotations.custom.code == code]) > 1
}

# METADATA
# title: Every package has words
# description: Each package says in title and description what it is about.
deny contains {"code": "package-unexplained", "package": namespace} if {
	some namespace, files in input.namespaces
	some file in files
	endswith(file, ".rego")
	not endswith(file, "_test.rego")
	not namespace in _explained
}

_explained contains concat(".", [part.value | some part in entry.path]) if {
	some entry in input.annotations
	entry.annotations.scope == "package"
	_said(entry.annotations.title)
	_said(entry.annotations.description)
}
