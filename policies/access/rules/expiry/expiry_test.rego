package access.rules.expiry_test

import data.access.rules.expiry
import data.lib.fixtures_test as f

_codes(document, settings) := codes if {
	codes := f.codes(expiry.deny) with input as document with data.settings as settings
}

_warnings(document, settings) := codes if {
	codes := f.codes(expiry.warn) with input as document with data.settings as settings
}

_pipeline := f.set(f.request, "/bindings/0/target/expiry", "pipeline")

_listed := f.set(f.settings, "/targets/pipeline_enforced", ["aws/payments-prod"])

test_allow_where_the_cloud_ends_access if _codes(f.request, f.settings) == set()

test_no_warning_where_the_cloud_ends_access if _warnings(f.request, f.settings) == set()

test_deny_where_only_the_pipeline_does if _codes(_pipeline, f.settings) == {"expiry-pipeline"}

test_allow_where_it_is_listed if _codes(_pipeline, _listed) == set()

test_warn_where_it_is_listed if _warnings(_pipeline, _listed) == {"pipeline-enforced"}

test_deny_without_the_setting if _codes(_pipeline, {}) == {"expiry-pipeline"}

test_deny_where_the_target_does_not_say if {
	_codes(f.without(f.request, "/bindings/0/target/expiry"), _listed) == {"expiry-pipeline"}
}

test_less_access_is_not_its_business if {
	every change in ["narrow", "delete"] {
		_codes(f.set(_pipeline, "/change", change), {}) == set()
		_warnings(f.set(_pipeline, "/change", change), _listed) == set()
	}
}
