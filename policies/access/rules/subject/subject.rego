# METADATA
# title: Who gets access
# description: The subject is enabled.
package access.rules.subject

import data.lib.request
import data.lib.result

# METADATA
# description: Every code of this package.
codes := {"subject-disabled"}

# METADATA
# title: The subject is enabled
# description: Offboarding disables a principal or deletes its file.
# custom:
#   code: subject-disabled
#   field: subject
#   message: "{name} is disabled under access/principals"
#   solution: enable the principal there first
deny contains result.whole("subject-disabled", {"name": request.at(["subject", "name"])}) if {
	request.adds_access
	not input.subject.disabled == false
}
