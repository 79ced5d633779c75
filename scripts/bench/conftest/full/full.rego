# METADATA
# title: The full pack, asked by conftest
# description: >-
#   Puts together what the policies are asked from a grant's file and from what
#   `scripts/bench/policies.py` writes beside it, and names the codes of all violations.
package main

import data.bench

deny contains violation.code if {
	some violation in _decision.violations
}

_decision := decision if {
	decision := data.access.decision.result with input as _document
}

_document := {
	"kind": "grant",
	"change": "create",
	"now": bench.now,
	"now_text": _text(bench.now),
	"grant": _grant,
	"window": {
		"start": _start,
		"end": _start + _duration,
		"start_text": _text(_start),
		"end_text": _text(_start + _duration),
	},
	"bindings": [object.union(bench.bindings[_line(line)], {"index": index, "parameters": _parameters(line)}) |
		some index, line in input.access
	],
	"subject": bench.subjects[input.subject],
	"requester": bench.requesters[input.subject],
	"previous": null,
	"lives": bench.lives[input.subject],
	"emergencies": [],
	"calendars": bench.calendars,
	"revives": false,
	"pull": null,
	"approvals": [],
}

_grant := {
	"id": trim_suffix(_place, ".yaml"),
	"path": concat("", ["access/grants/", _place]),
	"subject": input.subject,
	"reason": input.reason,
	"reason_length": count(regex.replace(input.reason, `\s`, "")),
	"reason_folded": trim_right(lower(concat(" ", regex.split(`\s+`, trim_space(input.reason)))), " .!…"),
	"ticket": object.get(input, "ticket", null),
	"duration": _duration,
	"start": _given_start,
	"start_text": _given_start_text,
	"emergency": object.get(input, "emergency", false),
	"requested_by": object.get(input, "requested_by", null),
}

# conftest tells the name of the file and the folder that it lies in.
_place := concat("/", [input.subject, data.conftest.file.name])

_duration := time.parse_duration_ns(input.duration) / 1000000000

_given_start := time.parse_rfc3339_ns(input.start) / 1000000000 if input.start

else := null

_given_start_text := _text(_given_start) if is_number(_given_start)

else := null

_start := _given_start if is_number(_given_start)

else := bench.now

_line(line) := concat(" ", [line.target, line.role])

_parameters(line) := object.remove(line, ["target", "role"])

_text(moment) := time.format([moment * 1000000000, "UTC", "2006-01-02T15:04:05Z07:00"])
