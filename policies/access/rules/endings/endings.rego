# METADATA
# title: What has ended stays ended
# description: Ended access comes back as a request of its own, never by undoing its end.
package access.rules.endings

import data.lib.request
import data.lib.result

# METADATA
# description: Every code of this package.
codes := {"grant-revived"}

# METADATA
# title: What has ended is asked for anew
# description: >-
#   A new grant does not say exactly what an earlier life of its path said: that is how the
#   revert of a revert looks. An extension of what is alive may come to it again.
# custom:
#   code: grant-revived
#   message: this says exactly what an earlier grant of the same path said, which has ended
#   solution: ask again with a new file, and say why it is needed again
deny contains result.whole("grant-revived", {}) if {
	request.adds_access
	not _anew
}

_anew if input.revives == false

_anew if {
	input.change in {"widen", "same"}
	is_boolean(input.revives)
}
