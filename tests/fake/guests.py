"""How fake guests behave: what they say on their readiness channel and whether they do what they are asked."""

import base64
import io
import json
from dataclasses import dataclass

import pycdlib
import yaml

_READY_MARK = b"org.vmstack.ready.0"


@dataclass
class Guest:
    """`polls` are the seconds until cloud-init ends; `silent` guests never report.

    `instance` overrides the instance-id that the seed says; `addresses` override those known to network and seed.
    `lease_after` is how many looks it takes until its NICs have leases (`None`: they never get any).
    `agent`: it runs QEMU's guest agent.
    `stop_polls` is how many looks it takes until a guest that was asked to shut down is off.
    """

    polls: int = 1
    exit: int = 0
    errors: tuple[str, ...] = ()
    silent: bool = False
    obeys_shutdown: bool = True
    stop_polls: int = 1
    releases_devices: bool = True
    lease_after: int | None = 0
    agent: bool = False
    instance: str | None = None
    addresses: tuple[str, ...] | None = None
    host_keys: tuple[str, ...] = (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFake root@guest",
    )


def read_seed(content: bytes) -> dict[str, bytes]:
    """The files of a NoCloud seed ISO by name; nothing where it is not one, as cloud-init sees it."""
    if content[32769:32774] != b"CD001":
        return {}
    iso = pycdlib.PyCdlib()
    try:
        iso.open_fp(io.BytesIO(content))
        files: dict[str, bytes] = {}
        view = {"rr_path": "/"} if iso.has_rock_ridge() else {"joliet_path": "/"}
        [(kind, _)] = view.items()
        for child in iso.list_children(**view):
            if child is None or child.is_dir():
                continue
            if kind == "rr_path":
                name = child.rock_ridge.name().decode()
            else:
                name = child.file_identifier().decode("utf-16-be").removesuffix(";1")
            into = io.BytesIO()
            iso.get_file_from_iso_fp(into, **{kind: f"/{name}"})
            files[name] = into.getvalue()
        return files
    except pycdlib.pycdlibexception.PyCdlibException:
        return {}
    finally:
        iso.close()


def instance_of(files: dict[str, bytes]) -> str | None:
    """The instance-id that the seed gives."""
    meta = yaml.safe_load(files.get("meta-data", b"") or b"{}")
    return meta.get("instance-id") if isinstance(meta, dict) else None


def reports(files: dict[str, bytes]) -> bool:
    """A guest can only report when the seed brings the script that does it."""
    return _READY_MARK in files.get("vendor-data", b"")


def static_addresses(files: dict[str, bytes]) -> tuple[str, ...]:
    """Addresses that the seed's network-config sets (version 2), without prefix."""
    config = yaml.safe_load(files.get("network-config", b"") or b"{}")
    found: list[str] = []
    if isinstance(config, dict):
        config = config.get("network", config)
        for card in (config.get("ethernets") or {}).values():
            found += [str(address).partition("/")[0] for address in card.get("addresses") or ()]
    return tuple(found)


def report_line(guest: Guest, *, boot: str, instance: str, addresses: tuple[str, ...]) -> bytes:
    """The line of JSON that the readiness script writes (`vmstack.model.readiness`)."""

    def pack(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    outcome = {0: "done", 1: "error", 2: "degraded done"}.get(guest.exit, "error")
    document = {
        "vmstack": 1,
        "boot": boot,
        "instance": instance,
        "exit": guest.exit,
        "status": pack(f"status: {outcome}\n"),
        "result": pack(json.dumps({"v1": {"datasource": "DataSourceNoCloud", "errors": list(guest.errors)}})),
        "keys": pack("\n".join(guest.host_keys) + "\n"),
        "addresses": pack("\n".join(addresses) + "\n"),
    }
    return json.dumps(document).encode() + b"\n"
