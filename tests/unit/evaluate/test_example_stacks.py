"""The example stacks evaluate, and say what their descriptions promise."""

from pathlib import Path

import pytest
import yaml

from vmstack.evaluate.program import evaluate
from vmstack.model.identity import Kind

STACKS = Path(__file__).parents[3] / "stacks"


@pytest.fixture(autouse=True)
def _no_choice(monkeypatch):
    monkeypatch.delenv("VMSTACK_STACK", raising=False)


def of_kind(graph, kind):
    return [resource.spec for resource in graph.resources if resource.key.kind is kind]


def test_the_quickstart_is_two_machines_on_one_network():
    graph = evaluate(STACKS / "quickstart", config={"ssh_key": "ssh-ed25519 AAAA me"})
    assert [vm.name for vm in of_kind(graph, Kind.VM)] == ["alpha", "beta"]
    assert {vm.memory for vm in of_kind(graph, Kind.VM)} == {512 * 1024 * 1024}
    assert [network.subnets[0].cidr for network in of_kind(graph, Kind.NETWORK)] == ["10.77.20.0/24"]
    assert [pool.path for pool in of_kind(graph, Kind.POOL)] == ["/var/lib/libvirt/vmstack-quickstart"]
    assert graph.outputs["alpha_ip"].value == "10.77.20.10"
    assert all("ssh-ed25519 AAAA me" in seed.user_data for seed in of_kind(graph, Kind.SEED))


@pytest.mark.parametrize(("stack", "count"), [("dev", 12), ("prod", 13)])
def test_the_fleet_is_a_dozen_machines(stack, count):
    graph = evaluate(STACKS / "webfleet", stack=stack)
    assert len(of_kind(graph, Kind.VM)) == count
    assert len(of_kind(graph, Kind.NETWORK)) == 2
    assert [volume.name for volume in of_kind(graph, Kind.VOLUME) if volume.data] == [
        "database-0-data", "database-1-data", "database-2-data",
    ]  # fmt: skip
    balancer = next(seed for seed in of_kind(graph, Kind.SEED) if seed.name == "balancer-0")
    content = yaml.safe_load(balancer.user_data)["write_files"][0]["content"]
    assert content.count("backend web-") == count - 4
    assert {resource.parent for resource in graph.resources if resource.key.kind is Kind.VM} == {
        ("web",), ("database",), ("balancer",),
    }  # fmt: skip


def test_the_fleets_of_two_environments_can_share_a_host():
    fleets = [evaluate(STACKS / "webfleet", stack=stack) for stack in ("dev", "prod")]
    kinds = (Kind.VM, Kind.NETWORK, Kind.POOL)
    names = [{(kind, spec.label) for kind in kinds for spec in of_kind(graph, kind)} for graph in fleets]
    places = [
        {pool.path for pool in of_kind(graph, Kind.POOL)}
        | {subnet.cidr for network in of_kind(graph, Kind.NETWORK) for subnet in network.subnets}
        for graph in fleets
    ]
    assert names[0].isdisjoint(names[1])
    assert places[0].isdisjoint(places[1])


def test_the_classic_program_is_what_it_says(tmp_path):
    image = tmp_path / "image.qcow2"
    image.write_bytes(b"QFI\xfb\x00\x00\x00\x03")
    graph = evaluate(STACKS / "pulumi-classic", config={"image": str(image), "running": "false"})
    assert [(vm.label, vm.nics[0].addresses, vm.power) for vm in of_kind(graph, Kind.VM)] == [
        ("pcl-web-0", ("10.218.77.10",), "stopped"), ("pcl-web-1", ("10.218.77.11",), "stopped"),
    ]  # fmt: skip
    assert [volume.label for volume in of_kind(graph, Kind.VOLUME)] == [
        "pcl-base.qcow2", "pcl-web-0.qcow2", "pcl-web-1.qcow2",
    ]  # fmt: skip
    assert graph.outputs["addresses"].value == ["10.218.77.10", "10.218.77.11"]
    assert graph.warnings == ()
    assert {resource.parent for resource in graph.resources if resource.key.kind is Kind.VM} == {
        ("pcl-web-0",), ("pcl-web-1",),
    }  # fmt: skip
