#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# What others are to read is as they want it: libvirt's domains, Kubernetes' objects, the dashboard.

import json
import shutil
import subprocess

import source

try:
    import yaml
except ImportError:
    source.skip("python3-yaml is not installed")


def mounts_of(container):
    return {m["name"]: m["mountPath"] for m in container["volumeMounts"]}


def check_pod(path, pod):
    """Every volume that is mounted is there, and a virtio-user's socket lies in one."""
    if pod.get("kind") != "Pod" or pod.get("apiVersion") != "v1":
        source.report(path, 1, "expected a Pod of v1")
        return
    volumes = {v["name"] for v in pod["spec"]["volumes"]}
    for container in pod["spec"]["containers"]:
        mounts = mounts_of(container)
        if set(mounts) != volumes:
            source.report(path, 1, f"mounts {sorted(mounts)} of volumes {sorted(volumes)}")
        for kind in ("requests", "limits"):
            if "hugepages-2Mi" not in container["resources"][kind]:
                source.report(path, 1, f"no hugepages among the {kind}")
        sockets = [part[5:] for arg in container["args"] for part in arg.split(",")
                   if part.startswith("path=")]
        if not sockets:
            source.report(path, 1, "no socket in the arguments")
        for socket in sockets:
            if socket.rsplit("/", 1)[0] not in mounts.values():
                source.report(path, 1, f"{socket} is in no volume")


nb_checked = 0
for path in source.FILES:
    if not path.startswith("config/"):
        continue
    if path.endswith(".xml"):
        if shutil.which("virt-xml-validate") is None:
            source.skip("libvirt-clients is not installed")
        result = subprocess.run(["virt-xml-validate", path, "domain"], capture_output=True,
                                text=True)
        if result.returncode != 0:
            source.report(path, 1, (result.stdout + result.stderr).strip())
    elif path.endswith(".yaml"):
        try:
            for document in yaml.safe_load_all(source.text(path)):
                check_pod(path, document)
        except (yaml.YAMLError, KeyError, TypeError) as error:
            source.report(path, 1, repr(error))
    elif path.endswith(".json"):
        try:
            json.loads(source.text(path))
        except ValueError as error:
            source.report(path, 1, str(error))
    else:
        continue
    nb_checked += 1
if nb_checked < 4:
    source.report("config", 1, f"only {nb_checked} files to check")
source.finish()
