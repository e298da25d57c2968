"""Simulated machines: network namespaces, connected by a bridge."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from secrets import token_hex


def are_possible() -> bool:
    """Return whether this process may create network namespaces."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    try:
        run("ip", "netns", "add", "djtranscribe-try")
        run("ip", "netns", "delete", "djtranscribe-try")
    except subprocess.CalledProcessError:
        return False
    return True


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


class Network:
    """A network with this machine at .1 and simulated machines at .11, .12…"""

    def __init__(self) -> None:
        self.name = f"dj{token_hex(3)}"
        # Choose addresses that this machine is unlikely to use.
        self.prefix = f"10.{200 + os.getpid() % 50}.{os.getpid() % 250}"
        self.here = f"{self.prefix}.1"
        self.machines: list[Machine] = []
        run("ip", "link", "add", self.name, "type", "bridge")
        run("ip", "address", "add", f"{self.here}/24", "dev", self.name)
        run("ip", "link", "set", self.name, "up")

    def machine(self) -> "Machine":
        number = len(self.machines)
        self.machines.append(
            Machine(self, f"{self.name}-{number}", f"{self.prefix}.{11 + number}")
        )
        return self.machines[-1]

    def close(self) -> None:
        for machine in self.machines:
            with suppress(subprocess.CalledProcessError):
                run("ip", "netns", "delete", machine.name)
        run("ip", "link", "delete", self.name)


class Machine:
    def __init__(self, network: Network, name: str, address: str) -> None:
        self.name, self.address = name, address
        self.cable = f"{name}a"
        run("ip", "netns", "add", name)
        run("ip", "link", "add", self.cable, "type", "veth", "peer", f"{name}b")
        run("ip", "link", "set", f"{name}b", "netns", name)
        run("ip", "link", "set", self.cable, "master", network.name, "up")
        for device, change in ((f"{name}b", "up"), ("lo", "up")):
            run("ip", "-n", name, "link", "set", device, change)
        run("ip", "-n", name, "address", "add", f"{address}/24", "dev", f"{name}b")

    def command(self, *command: str) -> list[str]:
        """Return the command that runs `command` on this simulated machine."""
        return ["ip", "netns", "exec", self.name, *command]

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Drop all packets without an error, as if the cable were pulled out."""
        run("ip", "link", "set", self.cable, "down")
        try:
            yield
        finally:
            run("ip", "link", "set", self.cable, "up")
