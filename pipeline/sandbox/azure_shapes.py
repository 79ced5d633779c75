"""How the Azure stand-in writes what it holds: the shapes of the REST specification's examples."""

from __future__ import annotations

import uuid

from pipeline.sandbox.azure_rules import PROVIDER, Json, Pim, StoredSchedule
from pipeline.sandbox.azure_words import write_time

_NAMESPACE = uuid.UUID("e2f7a3d4-91b5-5c1d-8a67-3b0c9d2e4f55")


def schedule(pim: Pim, found: StoredSchedule) -> Json:
    """Returns a schedule as it is listed."""
    base = f"{found.scope}{PROVIDER}"
    return {
        "properties": {
            **_common(pim, found),
            "linkedRoleEligibilityScheduleId": found.eligibility,
            "roleAssignmentScheduleRequestId": (
                f"{base}/RoleAssignmentScheduleRequests/{found.request}"
            ),
            "status": "Provisioned",
            "updatedOn": write_time(found.updated),
        },
        "name": found.name,
        "id": f"{base}/RoleAssignmentSchedules/{found.name}",
        "type": "Microsoft.Authorization/RoleAssignmentSchedules",
    }


def instance(pim: Pim, found: StoredSchedule) -> Json:
    """Returns the instance of a schedule that is active."""
    base = f"{found.scope}{PROVIDER}"
    name = str(uuid.uuid5(_NAMESPACE, f"instance|{found.name}"))
    return {
        "properties": {
            **_common(pim, found),
            "linkedRoleEligibilityScheduleId": found.eligibility,
            "linkedRoleEligibilityScheduleInstanceId": None,
            "originRoleAssignmentId": f"{base}/roleAssignments/{name}",
            "roleAssignmentScheduleId": f"{base}/RoleAssignmentSchedules/{found.name}",
            "status": "Accepted",
        },
        "name": name,
        "id": f"{base}/RoleAssignmentScheduleInstances/{name}",
        "type": "Microsoft.Authorization/RoleAssignmentScheduleInstances",
    }


def _common(pim: Pim, found: StoredSchedule) -> Json:
    return {
        "assignmentType": found.assignment,
        "scope": found.scope,
        "roleDefinitionId": f"{found.scope}{PROVIDER}/roleDefinitions/{found.role}",
        "principalId": found.principal,
        "principalType": pim.principals[found.principal],
        "startDateTime": write_time(found.start),
        "endDateTime": write_time(found.end),
        "memberType": "Direct",
        "createdOn": write_time(found.created),
        "condition": found.condition,
        "conditionVersion": found.condition_version,
        "expandedProperties": pim.expanded(found.scope, found.principal, found.role),
    }


def policy(scope: str, guid: str) -> Json:
    """Returns the default settings for active assignments (example in the REST specification)."""

    def target(level: str) -> Json:
        return {
            "caller": "Admin",
            "operations": ["All"],
            "level": level,
            "targetObjects": None,
            "inheritableSettings": None,
            "enforcedSettings": None,
        }

    name = str(uuid.uuid5(_NAMESPACE, f"policy|{scope}|{guid}"))
    return {
        "properties": {
            "scope": scope,
            "roleDefinitionId": f"{scope}{PROVIDER}/roleDefinitions/{guid}",
            "policyId": f"{scope}{PROVIDER}/roleManagementPolicies/{name}",
            "effectiveRules": [
                {
                    "isExpirationRequired": False,
                    "maximumDuration": "P180D",
                    "id": "Expiration_Admin_Assignment",
                    "ruleType": "RoleManagementPolicyExpirationRule",
                    "target": target("Assignment"),
                },
                {
                    "enabledRules": ["Justification"],
                    "id": "Enablement_Admin_Assignment",
                    "ruleType": "RoleManagementPolicyEnablementRule",
                    "target": target("Assignment"),
                },
            ],
        },
        "name": f"{name}_{guid}",
        "id": f"{scope}{PROVIDER}/RoleManagementPolicyAssignment/{name}_{guid}",
        "type": "Microsoft.Authorization/RoleManagementPolicyAssignment",
    }


def role(scope: str, guid: str, title: str) -> Json:
    """Returns a built-in role definition (version 2022-04-01)."""
    return {
        "properties": {
            "roleName": title,
            "type": "BuiltInRole",
            "description": title,
            "assignableScopes": ["/"],
            "permissions": [
                {"actions": ["*/read"], "notActions": [], "dataActions": [], "notDataActions": []}
            ],
        },
        "id": f"{scope}{PROVIDER}/roleDefinitions/{guid}",
        "type": "Microsoft.Authorization/roleDefinitions",
        "name": guid,
    }
