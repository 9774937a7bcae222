"""`Host`: a libvirt host."""

from typing import Any

from vmstack.errors import InputError
from vmstack.evaluate.native.base import Native, validated
from vmstack.evaluate.native.fields import check_flag, check_type
from vmstack.evaluate.native.options import read_options
from vmstack.evaluate.recorder import Recorder
from vmstack.model.identity import Kind
from vmstack.model.specs import HostSpec
from vmstack.model.text import check_text


class Host(Native):
    """A libvirt host, reached by a connection URI.

    `insecure` admits transports and URI options that are refused otherwise (plain tcp, `no_verify`, ...).
    """

    __slots__ = ("uri",)
    kind = Kind.HOST

    @validated
    def __init__(self, name: str, *, uri: str = "qemu:///system", insecure: bool = False, opts: Any = None) -> None:
        super().__init__(name)
        recorder = self.recorder
        self.uri = check_text(uri, field="uri")
        if not self.uri:
            raise InputError("uri: it is empty", resolution='write a libvirt URI such as "qemu:///system"')
        if recorder.connect is not None:
            if recorder.hosts:
                raise InputError(
                    "the connection was given on the command line, and the program has more than one host",
                    resolution="leave out --connect",
                )
            self.uri = check_text(recorder.connect, field="--connect")
        spec = HostSpec(name=self.name, uri=self.uri, insecure=check_flag(insecure, field="insecure"))
        self.record(spec, needs=(), wishes=read_options(opts, reference="a host"))
        recorder.notice_host(spec)
        recorder.hosts.append(self)


def choose_host(host: object, *, recorder: Recorder) -> Host:
    """Return the host given, or the only one there is; raises `InputError` when that leaves a choice."""
    if host is not None:
        return check_type(host, Host, field="host")
    only = recorder.only_host()
    if isinstance(only, Host):
        return only
    if recorder.hosts:
        raise InputError("host: there are several hosts", resolution="say which one with host=...")
    raise InputError("host: there is none yet", resolution='make one first: kvm = Host("kvm", uri="qemu:///system")')
