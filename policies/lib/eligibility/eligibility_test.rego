package lib.eligibility_test

import data.lib.eligibility

test_an_entry_is_an_object if {
	eligibility.readable({})
	every odd in [[], ["aws/*"], "", "aws/*", 1, null, set()] {
		not eligibility.readable(odd)
		not eligibility.complete(odd)
	}
}
