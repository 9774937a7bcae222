"""`CloudInit`: what a guest is told at first boot."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from vmstack.errors import InputError
from vmstack.evaluate.cloudinit.cache import SeedCache
from vmstack.evaluate.cloudinit.documents import dump_yaml, load_yaml, require_content
from vmstack.evaluate.cloudinit.network import check_network_config
from vmstack.evaluate.native.base import validated
from vmstack.evaluate.native.fields import check_host_name, check_list, check_type, describe
from vmstack.evaluate.recorder import Recorder
from vmstack.evaluate.session import current
from vmstack.model.text import check_text, with_article

_WHOSE_ID = 'it is vmstack\'s: a new one makes cloud-init run again, which on_seed_change="reseed" is for'


class CloudInit:
    """Documents for cloud-init: raw ones (`user_data`, ...: a text, or a `Path` in the project), or typed fields.

    `extra` holds further keys of `#cloud-config`. The host name defaults to the VM's name. One CloudInit may serve
    many VMs.
    """

    __slots__ = ("hostname", "meta_data", "network_config", "user_data", "vendor_data")

    @validated
    def __init__(
        self,
        *,
        hostname: str | None = None,
        users: Sequence[str | Mapping[str, Any]] | None = None,
        ssh_authorized_keys: Sequence[str] | None = None,
        packages: Sequence[str | Sequence[str]] | None = None,
        package_update: bool | None = None,
        package_upgrade: bool | None = None,
        write_files: Sequence[Mapping[str, Any]] | None = None,
        runcmd: Sequence[str | Sequence[str]] | None = None,
        bootcmd: Sequence[str | Sequence[str]] | None = None,
        mounts: Sequence[Sequence[str | None]] | None = None,
        timezone: str | None = None,
        locale: str | None = None,
        extra: Mapping[str, Any] | None = None,
        user_data: str | Path | None = None,
        meta_data: str | Path | Mapping[str, Any] | None = None,
        network_config: str | Path | Mapping[str, Any] | None = None,
        vendor_data: str | Path | None = None,
    ) -> None:
        recorder = current("CloudInit(...)")
        cache = seed_cache(recorder)
        self.hostname = None if hostname is None else check_host_name(hostname, field="hostname")
        lists = {
            "users": users,
            "ssh_authorized_keys": ssh_authorized_keys,
            "packages": packages,
            "write_files": write_files,
            "runcmd": runcmd,
            "bootcmd": bootcmd,
            "mounts": mounts,
        }
        single = {
            "package_update": package_update,
            "package_upgrade": package_upgrade,
            "timezone": timezone,
            "locale": locale,
        }
        typed: dict[str, Any] = {
            name: _plain(list(check_list(value, field=name)), field=name)
            for name, value in lists.items()
            # cloud-init's schema knows no empty lists; only "no users at all" means something.
            if value or (name == "users" and value is not None)
        }
        typed |= {name: _plain(value, field=name) for name, value in single.items() if value is not None}
        for name, value in check_type(extra or {}, dict, field="extra").items():
            if name in typed or (name in ("hostname", "fqdn") and hostname is not None):
                raise InputError(f"extra: {name!r} is given by name as well")
            typed[check_text(name, field="extra")] = _plain(value, field=f"extra: {name}")
        if user_data is None:
            self.user_data = cache.write(typed)
        elif typed:
            raise InputError(
                f"user_data: it is given, and so is {next(iter(typed))}",
                resolution="give user_data as a whole, or fields",
            )
        else:
            self.user_data = _read_document(user_data, field="user_data", folder=recorder.folder)
            cache.check(self.user_data, what="user_data")
        self.meta_data = _read_meta_data(meta_data, folder=recorder.folder)
        self.network_config: str | None = None
        if network_config is not None:
            if isinstance(network_config, Mapping):
                self.network_config = dump_yaml(_plain(network_config, field="network_config"))
            else:
                self.network_config = _read_document(network_config, field="network_config", folder=recorder.folder)
            check_network_config(self.network_config)
        self.vendor_data: str | None = None
        if vendor_data is not None:
            self.vendor_data = _read_document(vendor_data, field="vendor_data", folder=recorder.folder)
            require_content(self.vendor_data, what="vendor_data")
            cache.check(self.vendor_data, what="vendor_data")

    @classmethod
    @validated
    def template(cls, name: str, /, **variables: Any) -> Self:
        """Render user-data from a Jinja2 template.

        It is looked for in `templates/` of the project folder, then of the folders above in the same repository.
        """
        recorder = current("CloudInit.template(...)")
        cache = seed_cache(recorder)
        made = cls.__new__(cls)
        made.hostname = made.network_config = made.vendor_data = None
        made.meta_data = {}
        made.user_data = cache.write(cache.templates.render(name, values=variables))
        return made


def seed_cache(recorder: Recorder) -> SeedCache:
    """Return what the documents of an evaluation share."""
    if recorder.seeds is None:
        recorder.seeds = SeedCache(recorder.folder, warn=recorder.warn)
    return recorder.seeds


def _read_document(value: object, *, field: str, folder: Path) -> str:
    if isinstance(value, Path):
        path = folder / value.expanduser()
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise InputError(f"{field}: {value} is not UTF-8 text") from None
        except OSError as error:
            raise InputError(f"{field}: {value} cannot be read: {error.strerror}") from None
    elif isinstance(value, str):
        text = value
    else:
        raise InputError(
            f"{field}: {describe(value)} is neither a text nor a pathlib.Path",
            resolution='a text is the document itself; a file is given as Path("user-data.yaml")',
        )
    if "\0" in text:
        raise InputError(f"{field}: it holds a NUL character")
    return text.replace("\r\n", "\n")


def _read_meta_data(value: object, *, folder: Path) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, Mapping):
        document = _plain(value, field="meta_data")
    else:
        document = _plain(
            load_yaml(_read_document(value, field="meta_data", folder=folder), what="meta_data") or {},
            field="meta_data",
        )
    if not isinstance(document, dict):
        raise InputError("meta_data is not a mapping of names to values")
    for name in ("instance-id", "instance_id"):
        if name in document:
            raise InputError(f"meta_data: {name} cannot be set", resolution=_WHOSE_ID)
    for text in _texts(document):
        check_text(text, field="meta_data", multiline=True)
    return document


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in (*value.keys(), *value.values()) for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return []


def _plain(value: Any, *, field: str) -> Any:
    """Return data as YAML knows it, with exact types; raises `InputError` for anything else."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        text = str.__str__(value)
        if "\0" in text or any(0xD800 <= ord(char) <= 0xDFFF for char in text):
            raise InputError(f"{field}: a text holds NUL or half of a character")
        return text
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise InputError(f"{field}: a key is not a string")
        return {str.__str__(key): _plain(item, field=field) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, field=field) for item in value]
    raise InputError(f"{field}: {with_article(type(value).__name__)} is not data that YAML can hold")
