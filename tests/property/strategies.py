"""Random stacks. Names come from few letters, so that two draws are an edit of each other."""

from hypothesis import strategies as st

from tests.property.stacks import DiskWish, NetWish, StackWish, VmWish

_NETS = ("lan", "dmz")


@st.composite
def _disks(draw: st.DrawFn) -> tuple[DiskWish, ...]:
    names = draw(st.lists(st.sampled_from(["data1", "data2"]), unique=True, max_size=2))
    return tuple(
        DiskWish(
            name=name, size=draw(st.integers(1, 3)), bus=draw(st.sampled_from(["virtio", "virtio", "scsi", "sata"]))
        )
        for name in names
    )


@st.composite
def vms(draw: st.DrawFn, *, name: str, nets: tuple[str, ...]) -> VmWish:
    """A VM on some of the networks."""
    vcpus = draw(st.integers(1, 3))
    memory = draw(st.sampled_from([256, 512, 1024]))
    seed = draw(st.none() | st.integers(1, 3))
    return VmWish(
        name=name,
        vcpus=vcpus,
        max_vcpus=draw(st.sampled_from([vcpus, 4])),
        memory=memory,
        max_memory=draw(st.sampled_from([memory, 2048])),
        root=draw(st.sampled_from(["linked-clone", "linked-clone", "full-copy", "blank"])),
        root_size=draw(st.integers(1, 3)),
        image=draw(st.sampled_from(["debian", "debian", "alpine"])),
        disks=draw(_disks()),
        nets=tuple(sorted(draw(st.sets(st.sampled_from(nets))))) if nets else (),
        seed=seed,
        policy=draw(st.sampled_from(["report", "reseed", "replace"])),
        running=draw(st.sampled_from([True, True, True, False])),
        autostart=draw(st.booleans()),
        description=draw(st.sampled_from([None, "one", "<two> & 'three'\nlines"])),
        waits=draw(st.sampled_from([True, True, False])),
        machine=draw(st.sampled_from([None, None, "q35"])),
        suffix=draw(st.sampled_from(["", "", "", "-new"])),
        hardware=draw(st.sampled_from([0, 0, 0, 1, 2, 3])),
        ignition=draw(st.sampled_from([None, None, 1, 2])),
        group=draw(st.sampled_from([None, 1])),
        defers=draw(st.sampled_from([False, False, False, True])),
    )


@st.composite
def _nets(draw: st.DrawFn, *, name: str) -> NetWish:
    return NetWish(
        name=name,
        octet=_NETS.index(name) + 20,
        mode=draw(st.sampled_from(["nat", "nat", "route", "isolated", "open"])),
        hosts=tuple(sorted(draw(st.sets(st.integers(2, 5), max_size=3)))),
        leases=tuple(sorted(draw(st.sets(st.integers(2, 5), max_size=3)))),
        autostart=draw(st.booleans()),
        domain=draw(st.sampled_from([None, "lab.internal"])),
        mtu=draw(st.sampled_from([None, 1400])),
        dhcp_end=draw(st.sampled_from([200, 210])),
    )


@st.composite
def stacks(draw: st.DrawFn) -> StackWish:
    """A stack of one to about eight resources beside host and pool."""
    nets = tuple(draw(_nets(name=name)) for name in sorted(draw(st.sets(st.sampled_from(_NETS)))))
    names = sorted(draw(st.sets(st.sampled_from(["a", "b", "c"]), max_size=3)))
    return StackWish(
        vms=tuple(draw(vms(name=name, nets=tuple(net.name for net in nets))) for name in names),
        nets=nets,
        loose=tuple(
            DiskWish(name=name, size=draw(st.integers(1, 3)))
            for name in sorted(draw(st.sets(st.sampled_from(["loose1", "loose2"]))))
        ),
        image=draw(st.integers(1, 2)),
        pool_autostart=draw(st.booleans()),
        outputs=tuple(sorted(draw(st.sets(st.sampled_from(["ip", "name"]))))),
    )
