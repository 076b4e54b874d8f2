#!/usr/bin/env python3
"""Says how Kubernetes' own Go types write their fields as JSON.

Usage, in the repository's root:

    api=$(go mod download -json k8s.io/api@v0.36.3 | jq -r .Dir)
    meta=$(go mod download -json k8s.io/apimachinery@v0.36.3 | jq -r .Dir)
    python3 testdata/openapi/encode.py "$api" "$meta" > src/core/object/encoding.json

For each type of src/core/object/schema.json, the fields that are not pointers:

    "z"  a scalar that is left out at its zero value
    "Z"  a scalar that is always written: 0, "" or false
    "e"  a list or map that is left out when it is empty
    "E"  a list or map that is always written: null when it is empty
    "s"  a struct, always written

A field that is not named is a pointer or an instant: written if it is set.
"""

import json
import pathlib
import re
import sys

PACKAGES = {
    "api.core.v1": "core/v1", "api.apps.v1": "apps/v1", "api.batch.v1": "batch/v1",
    "api.networking.v1": "networking/v1", "api.policy.v1": "policy/v1",
    "api.rbac.v1": "rbac/v1", "api.coordination.v1": "coordination/v1",
    "api.autoscaling.v2": "autoscaling/v2", "api.discovery.v1": "discovery/v1",
}
SCALARS = {"string", "bool", "int", "int32", "int64", "uint32", "uint64", "float64"}
IMPORTS = {"metav1": "meta.v1", "v1": "api.core.v1", "apiv1": "api.core.v1"}
POINTERS = {"metav1.Time", "metav1.MicroTime", "Time", "MicroTime", "runtime.RawExtension"}
STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.M | re.S)
NAMED = re.compile(r"^type (\w+) (=? ?[\w\[\]\*\.]+)$", re.M)
FIELD = re.compile(r'^\t(?:(\w+) +)?([\w\[\]\*\.]+) +`([^`]*)`', re.M)


class Types:
    def __init__(self):
        self.structs, self.named = {}, {}

    def read(self, package, directory):
        for path in sorted(directory.glob("*types*.go")):
            text = path.read_text()
            for name, body in STRUCT.findall(text):
                self.structs[f"{package}.{name}"] = FIELD.findall(body)
            for name, other in NAMED.findall(text):
                self.named[f"{package}.{name}"] = other.strip("= ")

    def full(self, package, name):
        if "." in name:
            imported, name = name.split(".")
            return f"{IMPORTS.get(imported, imported)}.{name}"
        return f"{package}.{name}"

    def form(self, package, kind, omitted):
        if kind.startswith("*") or kind in POINTERS:
            return None
        if kind.startswith(("[]", "map[")):
            return "e" if omitted else "E"
        if kind in SCALARS:
            return "z" if omitted else "Z"
        if kind in ("intstr.IntOrString", "resource.Quantity"):
            return None
        full = self.full(package, kind)
        if full in self.named:
            return self.form(full.rsplit(".", 1)[0], self.named[full], omitted)
        if kind == "types.UID" or full.startswith("types."):
            return "z" if omitted else "Z"
        return "s" if full in self.structs else ("z" if omitted else "Z")

    def fields(self, name):
        package = name.rsplit(".", 1)[0]
        out = {}
        for field, kind, tag in self.structs[name]:
            found = re.search(r'json:"([^"]*)"', tag)
            if not found:
                continue
            said, *options = found.group(1).split(",")
            if "inline" in options or (not field and not said):
                inner = self.full(package, kind.lstrip("*"))
                if inner in self.structs and not inner.endswith(("TypeMeta", "ListMeta")):
                    out.update(self.fields(inner))
                continue
            form = self.form(package, kind, "omitempty" in options)
            if form and said != "-":
                out[said] = form
        return out


def main():
    api, meta = map(pathlib.Path, sys.argv[1:3])
    types = Types()
    for package, directory in PACKAGES.items():
        types.read(package, api / directory)
    types.read("meta.v1", meta / "pkg/apis/meta/v1")
    wanted = json.loads(pathlib.Path("src/core/object/schema.json").read_text())["types"]
    lines = []
    for name in sorted(wanted):
        if name in types.structs:
            fields = types.fields(name)
            if fields:
                lines.append(f"{json.dumps(name)}: {json.dumps(dict(sorted(fields.items())))}")
        elif name.startswith(tuple(PACKAGES)):
            print(f"no Go type for {name}", file=sys.stderr)
    print("{" + ",\n".join(lines) + "}")


main()
