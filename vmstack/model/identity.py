"""Who is who: keys, and the identifiers that are derived from them (docs/architecture.md, "Identity").

Everything here is a pure function of names, so a fresh checkout on a fresh machine finds its objects again.
"""

import enum
import hashlib
import uuid
from typing import Final, NamedTuple

# The namespace of all derived UUIDs. It never changes: changing it would orphan every object ever made.
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:vmstack:identity:1")


class Kind(enum.StrEnum):
    """The kinds of resources; the value is how a user sees and writes it."""

    HOST = "host"
    POOL = "pool"
    IMAGE = "image"
    VOLUME = "volume"
    SEED = "seed"
    NETWORK = "network"
    VM = "vm"


class Key(NamedTuple):
    """A resource within its stack; `str()` gives the address that users read and type, such as `vm.web-0`."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.value}.{self.name}"


def parse_address(address: str) -> Key:
    """The key of an address; what `str()` of a key gives."""
    kind, _, name = address.partition(".")
    return Key(Kind(kind), name)


class StackId(NamedTuple):
    """A project and one of its stacks."""

    project: str
    stack: str

    def __str__(self) -> str:
        return f"{self.project}/{self.stack}"

    def path(self, key: Key) -> str:
        """The resource's identity in the whole world: `project/stack/kind/name`."""
        return f"{self.project}/{self.stack}/{key.kind.value}/{key.name}"


def derive_uuid(stack: StackId, key: Key) -> str:
    """UUIDv5 of the key's path: the same on every host, so a VM keeps it when it moves or is rebuilt."""
    return str(uuid.uuid5(_NAMESPACE, stack.path(key)))


def derive_mac(stack: StackId, key: Key, *, nic: str) -> str:
    """A MAC address for one NIC of a VM: `52:` (locally administered, unicast) and 40 bits of the key's hash."""
    digest = hashlib.sha256(f"{stack.path(key)}/nic/{nic}".encode()).digest()
    return ":".join(["52", *(f"{byte:02x}" for byte in digest[:5])])


def derive_bridge(stack: StackId, key: Key) -> str:
    """A bridge name for a network; Linux allows 15 characters for an interface (IFNAMSIZ - 1)."""
    return "vs-" + hashlib.sha256(stack.path(key).encode()).hexdigest()[:10]


def derive_label(stack: StackId, key: Key) -> str:
    """The libvirt name of what a program of `pulumi_libvirt` gives none: the logical name and seven hex digits.

    It looks as Pulumi's bridge makes it, and follows from the resource's identity, so that a fresh checkout names it
    the same.
    """
    return f"{key.name}-{hashlib.sha256(stack.path(key).encode()).hexdigest()[:7]}"


def derive_ledger_uuid(stack: StackId) -> str:
    """The UUID of the secret that holds the stack's ledger on each host."""
    return str(uuid.uuid5(_NAMESPACE, f"{stack}/ledger"))


def base_volume_name(image: str, *, sha256: str, format: str) -> str:
    """The content-addressed name of a base image in a pool, such as `debian-12-0123456789ab.qcow2`."""
    return f"{image}-{sha256[:12]}.{format}"


def ignition_name(vm: str) -> str:
    """The name of the seed that a VM's firmware shows; no program can give a resource such a name."""
    return f"{vm}:ignition"


def ignition_volume_name(vm: str, *, digest: str) -> str:
    """The content-addressed name of the file that a VM's firmware shows (Ignition, Combustion)."""
    return f"{vm}-ignition-{digest[:12]}.ign"


def seed_volume_name(vm: str, *, digest: str) -> str:
    """The content-addressed name of a VM's seed."""
    return f"{vm}-seed-{digest[:12]}.iso"
