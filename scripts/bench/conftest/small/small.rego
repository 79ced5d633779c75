# METADATA
# title: Three small rules over a grant as it is written
# description: What conftest costs where next to nothing is asked.
package main

deny contains "duration" if {
	time.parse_duration_ns(input.duration) > time.parse_duration_ns("12h")
}

deny contains "reason" if {
	count(input.reason) < 20
}

deny contains "ticket" if {
	some line in input.access
	endswith(line.target, "-prod")
	not input.ticket
}
