package access.rules.scope_test

import data.access.rules.scope
import data.lib.fixtures_test as f

_codes(document, settings) := codes if {
	codes := f.codes(scope.deny) with input as document with data.settings as settings
}

_aws(actions) := f.set(f.request, "/bindings/0/role/permissions/actions", actions)

_on(cloud, permissions) := f.set(
	f.set(f.request, "/bindings/0/target/cloud", cloud),
	"/bindings/0/role/permissions", permissions,
)

_broad := {"scope-broad"}

_wild := {"scope-wildcard-action"}

_everywhere := {"scope-wildcard-resource"}

_sensitive := {"scope-sensitive"}

_all := ((_broad | _wild) | _everywhere) | _sensitive

_on_resources(actions, resources) := f.set(_aws(actions), "/bindings/0/role/permissions/resources", resources)

_database := "arn:aws:rds:*:{account}:db:ledger"

_named(actions) := _on_resources(actions, [_database])

_action_role := f.set(
	_on_resources(["ec2:TerminateInstances"], ["arn:aws:ec2:*:{account}:instance/{instance}"]),
	"/bindings/0/role/parameters", ["instance"],
)

test_allow_named_actions if _codes(f.request, f.settings) == set()

test_deny_every_action if {
	every action in ["*", "*:*", "**", "iam:*", "IAM:*"] {
		_codes(_named(["rds:Describe*", action]), f.settings) == (_broad | _wild) | _sensitive
	}
}

test_deny_whatever_the_case_in_the_settings if {
	settings := f.set(f.settings, "/roles/critical_only/aws", ["IAM:*"])
	_codes(_named(["iam:*"]), settings) == (_broad | _wild) | _sensitive
}

test_allow_every_action_when_critical if {
	_codes(f.set(_aws(["*"]), "/bindings/0/role/risk", "critical"), f.settings) == set()
}

test_deny_without_actions if {
	_codes(_aws([]), f.settings) == _all
	_codes(f.without(f.request, "/bindings/0/role/permissions/actions"), f.settings) == _all
	_codes(_aws(null), f.settings) == _all
	_codes(_aws({"0": "rds:DescribeDBInstances"}), f.settings) & _wild == _wild
}

test_deny_actions_that_are_no_text if _codes(_aws([1]), f.settings) == _all

test_deny_without_settings if _codes(f.request, {}) == _all

test_deny_an_unknown_cloud if {
	_codes(_on("moon", {"role": "walker"}), f.settings) == _all
	_codes(_on("moon", {"role_definition_id": "walker"}), f.settings) == _all
	_codes(f.set(_action_role, "/bindings/0/target/cloud", "moon"), f.settings) == _all
	_codes(f.without(f.request, "/bindings/0/target/cloud"), f.settings) == _all
}

test_deny_what_only_a_critical_role_may_where_the_risk_is_not_said if {
	document := f.without(_aws(["*"]), "/bindings/0/role/risk")
	_codes(document, f.settings) == _all
}

test_allow_a_narrow_azure_role if _codes(_on("azure", {"role_definition_id": "72fafb9e"}), f.settings) == set()

test_deny_a_broad_azure_role if _codes(_on("azure", {"role_definition_id": "B24988AC"}), f.settings) == _broad

test_allow_a_narrow_google_role if _codes(_on("gcp", {"role": "roles/logging.viewer"}), f.settings) == set()

test_deny_a_broad_google_role if _codes(_on("gcp", {"role": "roles/owner"}), f.settings) == _broad

test_allow_a_wildcard_after_a_verb if {
	every action in ["rds:Describe*", "RDS:describeDB*", "rds:List*", "rds:DescribeDB?nstances"] {
		_codes(_named([action]), f.settings) == set()
	}
}

test_deny_a_wildcard_elsewhere if {
	every action in ["rds:*", "rds:Descri*", "rds:?escribe*", "s3:Get*", "*:Describe*", "rd?:Describe*", "rds:D*Describe"] {
		_codes(_named(["rds:DescribeDBInstances", action]), f.settings) == _wild | _sensitive
	}
}

test_deny_what_is_no_action if {
	every action in ["rds", "rds:", ":Describe", "", "a:b:c"] {
		_codes(_named([action]), f.settings) == _wild | _sensitive
	}
}

test_deny_a_wildcard_after_a_verb_that_is_not_listed if {
	settings := f.set(f.settings, "/roles/wildcard_verbs", ["List"])
	_codes(_named(["rds:Describe*"]), settings) == _wild | _sensitive
}

test_deny_without_verbs_for_wildcards if {
	every value in [null, "Describe", ["Describe", 1], ["Describe|.*"], [""], {"a": "Describe"}] {
		settings := f.set(f.settings, "/roles/wildcard_verbs", value)
		_codes(_named(["rds:DescribeDBInstances"]), settings) == (_wild | _everywhere) | _sensitive
	}
	_codes(f.request, f.without(f.settings, "/roles/wildcard_verbs")) == (_wild | _everywhere) | _sensitive
}

test_values_name_the_verbs if {
	found := scope.deny with input as _named(["s3:Get*"]) with data.settings as f.settings
	{"code": "scope-wildcard-action", "binding": 0, "values": {"role": "aws/rds-reader", "verbs": ["Describe", "List"]}} in found
}

test_allow_named_resources if {
	every resource in [_database, "arn:aws:s3:::logs/*", "arn:aws:rds:*:1:db:a*"] {
		_codes(_on_resources(["s3:GetObject"], [resource]), f.settings) == set()
	}
}

test_deny_every_resource if {
	every resource in ["*", "**", "?*", "arn:aws:s3:::*", "arn:aws:s3:::*/*", "arn:aws:rds:*:1:db:?", "arn:*"] {
		_codes(_on_resources(["s3:GetObject"], [_database, resource]), f.settings) == _everywhere
	}
}

test_allow_every_resource_to_verbs_only if {
	_codes(_on_resources(["rds:DescribeDBInstances", "rds:List*"], ["*"]), f.settings) == set()
	_codes(_on_resources(["rds:DescribeDBInstances", "s3:GetObject"], ["*"]), f.settings) == _everywhere
}

test_deny_without_resources if {
	every resources in [[], null, [1], [""], {"0": _database}] {
		_codes(_on_resources(["s3:GetObject"], resources), f.settings) == _everywhere
	}
	every action in ["s3:GetObject", "rds:Describe*"] {
		document := f.without(_aws([action]), "/bindings/0/role/permissions/resources")
		_codes(document, f.settings) == _everywhere
	}
}

test_allow_every_resource_when_critical if {
	document := f.set(_on_resources(["s3:GetObject", "iam:*"], ["*"]), "/bindings/0/role/risk", "critical")
	_codes(document, f.settings) == set()
}

test_deny_what_is_sensitive if {
	every action in [
		"ec2:TerminateInstances", "EC2:terminateinstances", "s3:DeleteObject", "rds:Delete",
		"iam:PassRole", "IAM:PassRole", "kms:Decrypt", "kms:GetPublicKey",
		"ec2:CreateRoute", "EC2:createroute",
	] {
		_codes(_named(["rds:DescribeDBInstances", action]), f.settings) == _sensitive
		_codes(_named([action]), f.settings) == _sensitive
	}
}

test_allow_what_is_not_sensitive if {
	every action in [
		"iam:GetRole", "iam:ListRoles", "kms:Describe*", "IAM:getrole",
		"ec2:CreateRouteTable", "ec2:UndoTerminate", "kmsx:Decrypt", "ecs:UpdateService",
	] {
		_codes(_named([action]), f.settings) == set()
	}
}

test_deny_what_is_sensitive_in_the_settings_own_case if {
	settings := f.set(f.settings, "/roles/sensitive", {"verbs": ["REBOOT"], "services": ["SQS"], "actions": ["EC2:CREATEVPC"]})
	every action in ["rds:RebootDBInstance", "sqs:SendMessage", "ec2:CreateVpc"] {
		_codes(_named([action]), settings) == _sensitive
	}
	_codes(_named(["ec2:TerminateInstances"]), settings) == set()
}

test_deny_where_what_is_sensitive_is_not_said if {
	every part in ["verbs", "services", "actions"] {
		path := concat("/", ["/roles/sensitive", part])
		_codes(_named(["rds:StartDBInstance"]), f.without(f.settings, path)) == _sensitive
		every value in [null, "Delete", [1], {"a": "Delete"}] {
			_codes(_named(["rds:StartDBInstance"]), f.set(f.settings, path, value)) == _sensitive
		}
	}
	_codes(_named(["rds:StartDBInstance"]), f.without(f.settings, "/roles/sensitive")) == _sensitive
}

test_allow_an_action_role if _codes(_action_role, f.settings) == set()

test_deny_an_action_role_with_another_action if {
	document := f.set(_action_role, "/bindings/0/role/permissions/actions/1", "ec2:StopInstances")
	_codes(document, f.settings) == _sensitive
}

test_deny_an_action_role_with_a_wildcard if {
	document := f.set(_action_role, "/bindings/0/role/permissions/actions", ["ec2:Terminate*"])
	_codes(document, f.settings) == _wild | _sensitive
}

test_deny_an_action_role_without_parameter if {
	every value in [[], null, ["account"], [1], {"0": "instance"}, "instance"] {
		_codes(f.set(_action_role, "/bindings/0/role/parameters", value), f.settings) == _sensitive
	}
	_codes(f.without(_action_role, "/bindings/0/role/parameters"), f.settings) == _sensitive
}

test_deny_an_action_role_with_a_resource_without_parameter if {
	document := f.set(_action_role, "/bindings/0/role/permissions/resources/1", "arn:aws:ec2:*:{account}:instance/i-1")
	_codes(document, f.settings) == _sensitive
	_codes(f.set(_action_role, "/bindings/0/role/permissions/resources/1", 7), f.settings) == _sensitive | _everywhere
}

test_deny_an_action_role_without_resources if {
	_codes(f.set(_action_role, "/bindings/0/role/permissions/resources", []), f.settings) == _sensitive | _everywhere
}

test_the_packs_settings_are_lower_or_higher_case_alike if {
	every action in ["ec2:authorizesecuritygroupingress", "KMS:Decrypt", "sts:GETFEDERATIONTOKEN", "organizations:LeaveOrganization"] {
		_codes(_named([action]), data.settings) == _sensitive
	}
}
