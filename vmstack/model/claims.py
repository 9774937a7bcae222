"""What another tool's state says exists: claims on objects of the hosts, to be matched with a program's resources."""

from vmstack.model.base import Data
from vmstack.model.identity import Kind


class Claim(Data, frozen=True, kw_only=True):
    """One object. `address` is how the state calls it, and `name` the name that its resource has in the program, where
    the state knows it.

    `id` is a UUID (domain, network, pool) or the path of a volume's file; `label` is the name in libvirt, and `pool`
    that of a volume's pool. What a guest is told at its first boot is a seed: the disk with cloud-init's documents, and
    the file that the firmware shows (Ignition, Combustion).
    """

    address: str
    kind: Kind
    id: str
    name: str | None = None
    label: str | None = None
    pool: str | None = None
    protect: bool = False


class Unclaimed(Data, frozen=True, kw_only=True):
    """What a state holds and vmstack cannot take over, and why."""

    address: str
    why: str


class ForeignState(Data, frozen=True, kw_only=True):
    """All of a state: every resource is in one of the two. `origin` says in a few words whose it is."""

    origin: str
    claims: tuple[Claim, ...] = ()
    unclaimed: tuple[Unclaimed, ...] = ()


class SeedContent(Data, frozen=True, kw_only=True):
    """What a guest is told: the documents on a disk that cloud-init reads, where it is one. `digest` is the whole's
    SHA-256 (hex); `meta_data` is `None` where it is not to be understood."""

    digest: str
    user_data: str = ""
    network_config: str = ""
    meta_data: dict[str, object] | None = None
