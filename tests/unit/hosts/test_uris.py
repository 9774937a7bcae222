"""The allow-list of connection URIs."""

import pytest

from vmstack.errors import InputError
from vmstack.hosts.uris import check_uri, is_local

GOOD = [
    "qemu:///system",
    "qemu:///session",
    "qemu+unix:///system",
    "qemu+unix:///system?socket=/run/lab-1/libvirt/libvirt-sock",
    "qemu:///system?socket=/run/x/libvirt-sock",
    "qemu+ssh://host/system",
    "qemu+ssh://root@host.example.org:2222/system?no_tty=1",
    "qemu+ssh://root@[fd00::1]/system",
    "qemu+ssh://10.0.0.1/system?keyfile=/home/me/.ssh/id_ed25519",
    "qemu+libssh2://me@host/session?known_hosts=/etc/ssh/known&known_hosts_verify=normal&sshauth=agent,privkey",
    "qemu+tls://host/system",
    "qemu://host/system?pkipath=/etc/pki/me",
    "test:///default",
    "test:///srv/test.xml",
]
INSECURE = [
    "qemu+tcp://host/system",
    "qemu+ext:///system?command=/bin/x",
    "qemu+ssh://host/system?no_verify=1",
    "qemu+ssh://host/system?command=/bin/x",
    "qemu+ssh://host/system?netcat=/bin/x",
    "qemu+ssh://host/system?socket=/tmp/x",
    "qemu+ssh://host/system?name=lxc:///",
    "qemu+ssh://host/system?surprise=1",
    "qemu+ssh://host/system?keyfile=id_rsa",
    "qemu+ssh://host/system?keyfile=-oProxyCommand=x",
    "qemu+ssh://host/system?keyfile=/a;b",
    "qemu+libssh://host/system?known_hosts_verify=ignore",
    "qemu+libssh2://host/system?known_hosts_verify=auto",
    "qemu+libssh://host/system?sshauth=password",
    "qemu+tls://host/system?no_verify=1",
    "qemu+tls://host/system?no_sanity=1",
    "qemu+tls://host/system?tls_priority=NORMAL",
    "qemu+unix:///system?socket=relative",
    "qemu+unix:///system?socket=/a%20b",
    "qemu+unix:///system?socket=",
]
NEVER = [
    "",
    "system",
    "/system",
    "http://host/system",
    "xen:///system",
    "qemu+magic://host/system",
    "qemu:///",
    "qemu:///etc/passwd",
    "qemu:///system/../x",
    "qemu+ssh:///system",
    "qemu+tls:///system",
    "qemu+unix://host/system",
    "qemu+ssh://-oProxyCommand=x/system",
    "qemu+ssh://-oProxyCommand=x@host/system",
    "qemu+ssh://a b@host/system",
    "qemu+ssh://host;x/system",
    "qemu+ssh://$(x)/system",
    "qemu+ssh://`x`@host/system",
    "qemu+ssh://root:geheim@host/system",
    "qemu+ssh://:geheim@host/system",
    "qemu+ssh://host:0/system",
    "qemu+ssh://host:99999/system",
    "qemu+ssh://host:x/system",
    "qemu+ssh://[fd00::1/system",
    "qemu+ssh://host/system\r\nx",
    "qemu+ssh://ho\tst/system",
    "qemu+ssh://hö/system",
    "qemu+ssh://host/system#x",
    "qemu+ssh://host/system?no_tty=1&no_tty=0",
    "qemu+ssh://host/system?no_tty",
    "qemu+ssh://host/system?keyfile=/a%0Ab",
    "qemu+ssh://host/system?keyfile=/%00",
    "test://host/default",
    "test:///default?x=1",
    "test+tcp:///default",
    None,
]


@pytest.mark.parametrize("uri", GOOD)
def test_admitted(uri: str) -> None:
    check_uri(uri, insecure=False)


@pytest.mark.parametrize("uri", INSECURE)
def test_admitted_only_when_the_program_says_so(uri: str) -> None:
    with pytest.raises(InputError) as caught:
        check_uri(uri, insecure=False)
    assert "insecure=True" in caught.value.resolution
    check_uri(uri, insecure=True)


@pytest.mark.parametrize("uri", NEVER)
@pytest.mark.parametrize("insecure", [True, False])
def test_never_admitted(uri: str, insecure: bool) -> None:
    with pytest.raises(InputError) as caught:
        check_uri(uri, insecure=insecure)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        ("qemu:///system", True),
        ("qemu+unix:///system?socket=/x", True),
        ("qemu://host/system", False),
        ("qemu+ssh://localhost/system", False),
        ("test:///default", False),
    ],
)
def test_local(uri: str, local: bool) -> None:
    assert is_local(uri) is local
