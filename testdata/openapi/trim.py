#!/usr/bin/env python3
"""Trims Kubernetes' own OpenAPI v3 files to what core::object needs to know.

Usage, in any directory:

    dir=$(go mod download -json k8s.io/kubernetes@v1.36.3 | jq -r .Dir)
    gateway=$(go mod download -json sigs.k8s.io/gateway-api@v1.4.0 | jq -r .Dir)
    python3 testdata/openapi/trim.py "$dir/api/openapi-spec/v3" "$gateway/config/crd/standard" \
        > src/core/object/schema.json

The second directory holds Gateway API's CRDs, which are read with PyYAML.

What is kept of each type reachable from KINDS: the names of its fields and,
for each, one of

    "s" "i" "n" "b"       string, integer, number, boolean
    "q" "is"              quantity, integer or string
    "*"                   anything (no schema)
    "#name"               another type
    {"list": LIST, "of"}  a list; LIST is "atomic", "set", or its keys as
                          [name, default or null]
    {"map": MAP, "of"}    a map; MAP is "granular" or "atomic"

Types are sorted by name, so that a newer version makes a readable diff.
"""

import json
import pathlib
import sys

import yaml

KINDS = {
    "api__v1": [
        "ConfigMap", "Namespace", "PersistentVolumeClaim", "Pod", "Secret",
        "Service", "ServiceAccount",
    ],
    "apis__apps__v1": [
        "ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet",
    ],
    "apis__autoscaling__v2": ["HorizontalPodAutoscaler"],
    "apis__batch__v1": ["CronJob", "Job"],
    "apis__coordination.k8s.io__v1": ["Lease"],
    "apis__discovery.k8s.io__v1": ["EndpointSlice"],
    "apis__networking.k8s.io__v1": ["Ingress", "NetworkPolicy"],
    "apis__policy__v1": ["PodDisruptionBudget"],
    "apis__rbac.authorization.k8s.io__v1": [
        "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding",
    ],
}
CRDS = {"gatewayclasses": "v1", "gateways": "v1", "httproutes": "v1"}
REF = "#/components/schemas/"
SCALARS = {"string": "s", "integer": "i", "number": "n", "boolean": "b"}
SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "q",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "is",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "*",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": {"map": "atomic", "of": "*"},
}


def short(name):
    return name.removeprefix("io.k8s.").replace("apimachinery.pkg.apis.", "")


class Trimmer:
    def __init__(self):
        self.schemas = {}
        self.types = {}

    def reference(self, name):
        if name in SPECIAL:
            return SPECIAL[name]
        schema = self.schemas[name]
        if "properties" not in schema:
            return self.node(schema)
        if short(name) not in self.types:
            entry = self.types[short(name)] = {}
            if schema.get("x-kubernetes-map-type") == "atomic":
                entry["atomic"] = True
            fields = schema["properties"]
            entry["fields"] = {key: self.node(fields[key]) for key in sorted(fields)}
        return "#" + short(name)

    def node(self, schema):
        if "$ref" in schema:
            return self.atomic(schema, self.reference(schema["$ref"].removeprefix(REF)))
        if "allOf" in schema and len(schema["allOf"]) == 1:
            return self.atomic(schema, self.node(schema["allOf"][0]))
        kind = schema.get("type")
        if kind == "array":
            return {"list": self.list_type(schema), "of": self.node(schema["items"])}
        if kind == "object" and "additionalProperties" in schema:
            return {
                "map": schema.get("x-kubernetes-map-type", "granular"),
                "of": self.node(schema["additionalProperties"]),
            }
        return SCALARS.get(kind, "*")

    @staticmethod
    def atomic(schema, node):
        """A field that makes its (granular) type atomic: whole values only."""
        if schema.get("x-kubernetes-map-type") == "atomic":
            return {"map": "atomic", "of": "*"}
        return node

    def list_type(self, schema):
        kind = schema.get("x-kubernetes-list-type", "atomic")
        if kind != "map":
            return kind
        item = schema["items"]
        while "allOf" in item:
            item = item["allOf"][0]
        fields = self.schemas[item["$ref"].removeprefix(REF)]["properties"]
        keys = sorted(schema["x-kubernetes-list-map-keys"])
        # A number's default in these files is Go's zero value, not a default.
        return [[key, fields[key].get("default") or None] for key in keys]


    def custom(self, name, schema):
        """A type that a CRD describes in place; its name is its path."""
        if "properties" not in schema:
            return self.custom_node(name, schema)
        entry = self.types[name] = {}
        if schema.get("x-kubernetes-map-type") == "atomic":
            entry["atomic"] = True
        fields = schema["properties"]
        entry["fields"] = {key: self.custom(f"{name}.{key}", fields[key]) for key in sorted(fields)}
        return "#" + name

    def custom_node(self, name, schema):
        kind = schema.get("type")
        if kind == "array":
            return {"list": self.custom_list(schema), "of": self.custom(name, schema["items"])}
        if kind == "object" and "additionalProperties" in schema:
            return {
                "map": schema.get("x-kubernetes-map-type", "granular"),
                "of": self.custom(name, schema["additionalProperties"]),
            }
        return SCALARS.get(kind, "*")

    @staticmethod
    def custom_list(schema):
        kind = schema.get("x-kubernetes-list-type", "atomic")
        if kind != "map":
            return kind
        fields = schema["items"]["properties"]
        keys = sorted(schema["x-kubernetes-list-map-keys"])
        return [[key, fields[key].get("default")] for key in keys]


def custom_kinds(trimmer, directory):
    kinds = {}
    for plural, version in CRDS.items():
        path = pathlib.Path(directory) / f"gateway.networking.k8s.io_{plural}.yaml"
        crd = yaml.safe_load(path.read_text())["spec"]
        found = next(v for v in crd["versions"] if v["name"] == version)
        schema = found["schema"]["openAPIV3Schema"]
        name = f"gateway.{version}.{crd['names']['kind']}"
        node = kinds[f"{crd['group']}/{version}/{crd['names']['kind']}"] = trimmer.custom(name, schema)
        trimmer.types[node[1:]]["fields"]["metadata"] = "#meta.v1.ObjectMeta"
    return kinds


def main():
    trimmer = Trimmer()
    kinds = {}
    for name, wanted in KINDS.items():
        path = pathlib.Path(sys.argv[1]) / f"{name}_openapi.json"
        trimmer.schemas = json.loads(path.read_text())["components"]["schemas"]
        for full, schema in trimmer.schemas.items():
            for gvk in schema.get("x-kubernetes-group-version-kind", []):
                if gvk["kind"] in wanted and full.endswith("." + gvk["kind"]):
                    version = "/".join(filter(None, [gvk["group"], gvk["version"]]))
                    kinds[f"{version}/{gvk['kind']}"] = trimmer.reference(full)
    kinds |= custom_kinds(trimmer, sys.argv[2])
    sources = "k8s.io/kubernetes v1.36.3, sigs.k8s.io/gateway-api v1.4.0"
    out = {"from": sources, "kinds": dict(sorted(kinds.items()))}
    lines = [f'"{key}": {json.dumps(value)}' for key, value in out.items()]
    types = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in sorted(trimmer.types.items())]
    lines.append('"types": {\n' + ",\n".join(types) + "\n}")
    print("{" + ",\n".join(lines) + "}")


main()
