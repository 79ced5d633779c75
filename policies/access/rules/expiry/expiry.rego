# METADATA
# title: What ends access
# description: The cloud itself, wherever it can; only this pipeline where the settings say so.
package access.rules.expiry

import data.lib.read
import data.lib.request
import data.lib.result
import data.lib.settings

# METADATA
# description: Every code of this package.
codes := {"expiry-pipeline", "pipeline-enforced"}

# METADATA
# title: Access ends in the cloud
# description: A target whose access only this pipeline can end is listed in the settings, or refused.
# custom:
#   code: expiry-pipeline
#   field: access
#   message: access to {target} would be ended by this pipeline only, not by the cloud
#   solution: use a target where the cloud ends access, or list this one in settings/targets
deny contains result.binding("expiry-pipeline", index, {"target": read.at(binding, ["target", "id"])}) if {
	request.adds_access
	some index, binding in request.bindings
	not _ends_as_allowed(binding)
}

_ends_as_allowed(binding) if binding.target.expiry == "cloud"

_ends_as_allowed(binding) if {
	binding.target.expiry == "pipeline"
	binding.target.id in settings.texts(["targets", "pipeline_enforced"])
}

# METADATA
# title: Access that only the pipeline ends is labelled
# description: Nobody should believe that the cloud ends it.
# custom:
#   code: pipeline-enforced
#   field: access
#   message: access to {target} is pipeline-enforced; should this pipeline stop, it does not end
#   solution: prefer a target where the cloud ends access
warn contains result.binding("pipeline-enforced", index, {"target": read.at(binding, ["target", "id"])}) if {
	request.adds_access
	some index, binding in request.bindings
	not binding.target.expiry == "cloud"
}
