# SPDX-License-Identifier: Apache-2.0
"""Machines that are network namespaces of Linux, on one bridge. Needs root and iproute2; what is of the network ends with the process."""

import ctypes
import os
import shutil
import subprocess

CLONE_NEWNET = 0x40000000
HUB = "10.77.0.1"


def why_not() -> str:
    """Empty where it works."""
    if shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
        return "iproute2 is not installed"
    if os.geteuid() != 0:
        return "network namespaces need root"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True, check=False)
    return f"no network namespaces here: {tried.stderr.strip()}" if tried.returncode != 0 else ""


def ip(*words: object) -> None:
    subprocess.run(["ip", *map(str, words)], check=True)


class Network:
    """Moves this process into a namespace of its own, HUB, with a bridge to `count` machines. Only before other threads begin."""

    def __init__(self, count: int):
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        ip("link", "set", "lo", "up")
        ip("link", "add", "bridge", "type", "bridge")
        ip("address", "add", f"{HUB}/24", "dev", "bridge")
        ip("link", "set", "bridge", "up")
        self.names = [f"lazyllm-{os.getpid()}-{number}" for number in range(count)]
        self.addresses = [f"10.77.0.{11 + number}" for number in range(count)]
        for number, (name, address) in enumerate(zip(self.names, self.addresses, strict=True)):
            ip("netns", "add", name)
            ip("link", "add", f"hub{number}", "type", "veth", "peer", "name", "wire", "netns", name)
            ip("link", "set", f"hub{number}", "master", "bridge", "up")
            ip("-n", name, "address", "add", f"{address}/24", "dev", "wire")
            ip("-n", name, "link", "set", "wire", "up")
            ip("-n", name, "link", "set", "lo", "up")

    def on(self, number: int) -> list[str]:
        """What stands before a command to run it on a machine."""
        return ["ip", "netns", "exec", self.names[number]]

    def cut(self, number: int) -> None:
        ip("link", "set", f"hub{number}", "down")

    def join(self, number: int) -> None:
        ip("link", "set", f"hub{number}", "up")

    def close(self) -> None:
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], check=False)
