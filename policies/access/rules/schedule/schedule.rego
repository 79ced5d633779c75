# METADATA
# title: When access may lie
# description: >-
#   In hours, in maintenance, outside of freezes. Access never reaches beyond the calendar that
#   permits it: the whole window lies in it.
package access.rules.schedule

import data.lib.calendar
import data.lib.read
import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"outside-hours", "maintenance-required", "frozen"}

# METADATA
# title: Access lies in the hours of its environment
# description: >-
#   Wholly in one of the calendars, or in maintenance that permits this target. An emergency has
#   no hours.
# custom:
#   code: outside-hours
#   field: access
#   message: access to {target} from {start:time} to {end:time} is not wholly inside of {calendars:list} (settings/schedule)
#   solution: choose start and duration so that it is, or ask somebody on call
deny contains result.binding("outside-hours", index, _values(binding, _hours_shown(binding))) if {
	request.adds_access
	some index, binding in request.bindings
	not _in_hours(binding)
}

_in_hours(_) if request.emergency

_in_hours(binding) if {
	is_string(binding.target.environment)
	every environment, _ in settings.hours {
		environment != binding.target.environment
	}
}

_in_hours(binding) if {
	some name in settings.hours[binding.target.environment]
	calendar.covered(name, input.window)
}

_in_hours(binding) if {
	some entry in settings.maintenance
	entry.mode == "permits"
	_concerns(entry, binding)
	calendar.covered(entry.calendar, input.window)
}

_hours_shown(binding) := names if {
	names := sort(settings.hours[binding.target.environment])
} else := []

# METADATA
# title: What needs maintenance waits for it
# description: >-
#   Targets and roles that maintenance is required for are given inside of it only. An emergency
#   does not wait.
# custom:
#   code: maintenance-required
#   field: access
#   message: "{role} on {target} is given in {calendars:list} only (settings/schedule), not from {start:time} to {end:time}"
#   solution: choose start and duration so that access lies wholly in the maintenance
deny contains result.binding("maintenance-required", index, _values(binding, _required_shown(binding))) if {
	request.adds_access
	some index, binding in request.bindings
	not _maintained(binding)
}

_maintained(_) if request.emergency

_maintained(binding) if {
	_told(binding)
	every entry in settings.maintenance {
		_kept(entry, binding)
	}
}

_kept(entry, _) if entry.mode == "permits"

_kept(entry, binding) if not _concerns(entry, binding)

_kept(entry, _) if calendar.covered(entry.calendar, input.window)

_required_shown(binding) := sort({entry.calendar |
	some entry in settings.maintenance
	not _kept(entry, binding)
})

# METADATA
# title: Nothing overlaps a freeze
# description: Whatever the reason, an emergency too.
# custom:
#   code: frozen
#   field: access
#   message: access to {target} from {start:time} to {end:time} overlaps {calendars:list} (settings/schedule)
#   solution: wait until the freeze is over, or end before it begins
deny contains result.binding("frozen", index, _values(binding, _freezes_shown(binding))) if {
	request.adds_access
	some index, binding in request.bindings
	not _thawed(binding)
}

_thawed(binding) if {
	is_string(binding.target.environment)
	every freeze in settings.freezes {
		_apart(freeze, binding)
	}
}

_apart(freeze, binding) if not _in_environment(freeze, binding)

_apart(freeze, _) if calendar.free(freeze.calendar, input.window)

_in_environment(freeze, binding) if binding.target.environment in freeze.environments

_freezes_shown(binding) := sort({freeze.calendar |
	some freeze in settings.freezes
	not _apart(freeze, binding)
})

_told(binding) if {
	is_string(binding.target.id)
	is_string(binding.target.environment)
	is_string(binding.role.id)
}

_concerns(entry, binding) if {
	_about(entry, binding)
	_for_role(entry, binding)
}

_about(entry, binding) if binding.target.id in entry.targets

_about(entry, binding) if binding.target.environment in entry.environments

_for_role(entry, _) if not _names_roles(entry)

_for_role(entry, binding) if binding.role.id in entry.roles

_names_roles(entry) if is_array(entry.roles)

_values(binding, calendars) := {
	"target": read.at(binding, ["target", "id"]),
	"role": read.at(binding, ["role", "id"]),
	"start": request.at(["window", "start"]),
	"end": request.at(["window", "end"]),
	"calendars": calendars,
}
