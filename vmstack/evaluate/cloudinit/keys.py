"""The keys that cloud-init knows: what it does not know, it ignores, and a guest without its SSH keys lets nobody in.

The keys of 22.4 to 25.3, and older ones that are still taken, by
https://docs.cloud-init.io/en/latest/reference/modules.html and `base_config_reference.html`.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

_CONFIG: Final = frozenset({
    "allow_public_ssh_keys", "ansible", "apk_repos", "apt", "apt_pipelining", "apt_reboot_if_required", "apt_update",
    "apt_upgrade", "authkey_hash", "autoinstall", "bootcmd", "byobu_by_default", "ca-certs", "ca_certs", "chef",
    "chpasswd", "cloud_config_modules", "cloud_final_modules", "cloud_init_modules", "create_hostname_file",
    "datasource", "datasource_list", "debug", "def_log_file", "def_log_file_mode", "device_aliases",
    "disable_ec2_metadata", "disable_piwiz", "disable_root", "disable_root_opts", "disk_setup", "drivers",
    "enable_rpi_connect", "fan", "final_message", "fqdn", "fs_setup", "groups", "growpart", "grub-dpkg", "grub_dpkg",
    "hostname", "keyboard", "landscape", "launch-index", "locale", "locale_configfile", "log_basic", "log_cfgs",
    "lxd", "manage_etc_hosts", "manage_resolv_conf", "manual_cache_clean", "mcollective", "merge_how", "merge_type",
    "migrate", "mount_default_fields", "mounts", "network", "no_ssh_fingerprints", "ntp", "output",
    "package_reboot_if_required", "package_update", "package_upgrade", "packages", "password", "phone_home",
    "power_state", "prefer_fqdn_over_hostname", "preserve_hostname", "puppet", "random_seed", "reporting",
    "resize_rootfs", "resolv_conf", "rh_subscription", "rpi_interfaces", "rpi_userconf", "rsyslog", "runcmd",
    "salt_minion", "snap", "snappy", "spacewalk", "ssh", "ssh_authorized_keys", "ssh_deletekeys",
    "ssh_fp_console_blacklist", "ssh_genkeytypes", "ssh_import_id", "ssh_key_console_blacklist", "ssh_keys",
    "ssh_publish_hostkeys", "ssh_pwauth", "ssh_quiet_keygen", "swap", "syslog_fix_perms", "system_info", "timezone",
    "ubuntu_advantage", "ubuntu_pro", "unverified_modules", "updates", "user", "users", "vendor_data", "vendor_data2",
    "version", "warnings", "wireguard", "write_files", "yum_repo_dir", "yum_repos", "zypper",
    "apt_custom_sources_list", "apt_ftp_proxy", "apt_http_proxy", "apt_https_proxy", "apt_mirror",
    "apt_mirror_search", "apt_mirror_search_dns", "apt_preserve_sources_list", "apt_proxy", "apt_sources",
})  # fmt: skip
_USER: Final = frozenset({
    "create_groups", "doas", "expiredate", "gecos", "groups", "hashed_passwd", "homedir", "inactive", "lock_passwd",
    "name", "no_create_home", "no_log_init", "no_user_group", "passwd", "plain_text_passwd", "primary_group",
    "selinux_user", "shell", "snapuser", "ssh_authorized_keys", "ssh_import_id", "ssh_redirect_user", "sudo",
    "system", "uid",
})  # fmt: skip
_FILE: Final = frozenset({
    "append", "content", "defer", "encoding", "owner", "path", "permissions", "source",
})  # fmt: skip
_MEMBERS: Final = {"user": _USER, "users": _USER, "write_files": _FILE}
# From so alike on, one key is taken for the other with a slip in it.
_ALIKE: Final = 0.75


class Stranger(NamedTuple):
    """A key that cloud-init does not know, where it is, and the one that it may be meant for."""

    path: str
    meant: str | None


def find_strangers(document: Mapping[str, Any]) -> Iterator[Stranger]:
    """Yield the keys of a `#cloud-config` document, and of its users and files, that cloud-init does not know."""
    for key, value in document.items():
        if key not in _CONFIG:
            yield Stranger(key, _meant(key, _CONFIG))
        elif key in _MEMBERS:
            members: Iterable[tuple[object, object]] = [(None, value)]
            if isinstance(value, list):
                members = enumerate(value)
            elif isinstance(value, Mapping) and key == "users":
                members = value.items()  # by their names
            for index, member in members:
                at = key if index is None else f"{key}[{index}]"
                yield from _strange_members(member, at=at, known=_MEMBERS[key])


def _strange_members(member: object, *, at: str, known: frozenset[str]) -> Iterator[Stranger]:
    for name in member if isinstance(member, Mapping) else ():
        # cloud-init takes dashes for underscores in the keys of users.
        if str(name).replace("-", "_") not in known:
            yield Stranger(f"{at}.{name}", _meant(str(name), known))


def _meant(key: str, known: frozenset[str]) -> str | None:
    return next(iter(difflib.get_close_matches(key, sorted(known), n=1, cutoff=_ALIKE)), None)
