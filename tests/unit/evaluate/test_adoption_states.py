"""States of other tools, read as claims: every resource of a state ends up in one of two lists."""

import json

import pytest

from vmstack.errors import InputError
from vmstack.evaluate.adoption.pulumi_export import read_pulumi_export
from vmstack.evaluate.adoption.tfstate import read_tfstate
from vmstack.model.identity import Kind

UUID = "5e0c1b4e-0000-4000-8000-00000000000a"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:AA:BB"}


def _urn(type_: str, name: str, *, parents: str = "") -> str:
    return f"urn:pulumi:dev::shop::{parents}{type_}::{name}"


def _resource(kind: str, name: str, *, id: object = UUID, parents: str = "", **more: object) -> dict:
    type_ = f"libvirt:index/{kind[0].lower()}{kind[1:]}:{kind}"
    return {"urn": _urn(type_, name, parents=parents), "custom": True, "type": type_, "id": id, **more}


def _export(*resources: dict, **more: object) -> str:
    return json.dumps({"version": 3, "deployment": {"manifest": {}, "resources": list(resources), **more}})


def _read(*resources: dict, **more: object):
    return read_pulumi_export(_export(*resources, **more), where="export.json")


def test_a_domain_below_components_is_claimed_by_its_name_and_uuid():
    state = _read(
        {"urn": _urn("pulumi:pulumi:Stack", "shop-dev"), "custom": False, "type": "pulumi:pulumi:Stack"},
        {"urn": _urn("unit:Machine", "web"), "custom": False, "type": "unit:Machine"},
        _resource("Domain", "web", id=UUID.upper(), parents="a:A$b:B$", outputs={"name": "web-1a2b3c4"}, protect=True),
    )
    (claim,) = state.claims
    assert (claim.kind, claim.name, claim.id, claim.label) == (Kind.VM, "web", UUID, "web-1a2b3c4")
    assert claim.protect
    assert claim.address.endswith("a:A$b:B$libvirt:index/domain:Domain::web")
    assert state.unclaimed == ()
    assert state.origin == "Pulumi stack shop/dev"


def test_volumes_and_disks_are_claimed_by_their_files():
    state = _read(
        _resource("Volume", "root", id="/pools/web/root.qcow2", outputs={"name": "root.qcow2", "pool": "web"}),
        _resource("Volume", "other", id="/images/o.qcow2", inputs={"name": "o.qcow2"}),
        _resource("CloudInitDisk", "init", id="/pools/web/i.iso;e3b0c442", outputs={"pool": "web", "name": "i.iso"}),
        _resource("Ignition", "ign", id="/pools/web/i.ign;e3b0c442", outputs={"pool": "web", "name": "i.ign"}),
    )
    found = {claim.name: (claim.kind, claim.id, claim.pool) for claim in state.claims}
    assert found == {
        "root": (Kind.VOLUME, "/pools/web/root.qcow2", "web"),
        "other": (Kind.VOLUME, "/images/o.qcow2", "default"),
        "init": (Kind.SEED, "/pools/web/i.iso", "web"),
        "ign": (Kind.SEED, "/pools/web/i.ign", "web"),
    }


def test_ciphertext_is_not_taken_for_a_value_and_plain_text_is():
    plain = {**SECRET, "plaintext": '"web"'}
    hidden, shown, broken = _read(
        _resource("Domain", "a", outputs={"name": SECRET}),
        _resource("Domain", "b", outputs={"name": plain}),
        _resource("Domain", "c", outputs={"name": {**SECRET, "plaintext": "not json"}}),
    ).claims
    assert (hidden.label, shown.label, broken.label) == (None, "web", None)


@pytest.mark.parametrize(
    ("resource", "why"),
    [
        (_resource("Domain", "a", external=True), "only read it"),
        (_resource("Domain", "a", delete=True), "pending"),
        (_resource("Domain", "a", id=""), "never made"),
        (_resource("Rack", "a"), "type libvirt:index/rack:Rack is not known"),
        ({"urn": _urn("aws:s3/bucket:Bucket", "a"), "custom": True, "type": "aws:s3/bucket:Bucket"}, "not of libvirt"),
        (_resource("Domain", "a", outputs={"devices": {}}), "0.9"),
    ],
)
def test_what_cannot_be_taken_over_is_listed_with_a_reason(resource, why):
    state = _read(resource)
    assert state.claims == ()
    (item,) = state.unclaimed
    assert why in item.why


def test_resources_of_interrupted_runs_are_listed():
    state = _read(pending_operations=[{"type": "creating", "resource": _resource("Domain", "a", id="")}])
    assert "interrupted" in state.unclaimed[0].why


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2, "deployment": {}}', '{"version": 3, "deployment": 1}',
                                  _export({"urn": 7}), "[" * 100_000])  # fmt: skip
def test_what_is_no_export_is_an_error(text):
    with pytest.raises(InputError, match=r"export\.json"):
        read_pulumi_export(text, where="export.json")


def _block(type_: str, name: str, *instances: dict, module: str | None = None, mode: str = "managed") -> dict:
    return {
        "mode": mode,
        "type": type_,
        "name": name,
        "instances": list(instances),
        **({"module": module} if module else {}),
    }


def _state(*blocks: dict, **more: object) -> str:
    return json.dumps({"version": 4, "lineage": "l", "resources": list(blocks), **more})


def _domain(**more: object) -> dict:
    """As the provider 0.6 to 0.8 writes it: unset blocks are empty lists, and unset texts are null."""
    attributes = {"id": UUID, "name": "web", "disk": [], "cloudinit": None, "network_interface": [], "xml": []}
    return {"schema_version": 0, "attributes": attributes, **more}


def test_addresses_are_written_as_terraform_writes_them():
    text = _state(
        _block("libvirt_domain", "vm", _domain()),
        _block("libvirt_domain", "count", _domain(index_key=0), _domain(index_key=1)),
        _block("libvirt_domain", "each", _domain(index_key='a"b'), module='module.m["x"].module.n'),
        _block("libvirt_network", "net", {"attributes": {"id": UUID, "name": "lan"}}),
        _block("libvirt_node_info", "here", {"attributes": {"id": "1"}}, mode="data"),
    )
    state = read_tfstate(text, where="s")
    assert [(claim.address, claim.kind) for claim in state.claims] == [
        ("libvirt_domain.count[0]", Kind.VM),
        ("libvirt_domain.count[1]", Kind.VM),
        ("libvirt_domain.vm", Kind.VM),
        ("libvirt_network.net", Kind.NETWORK),
        ('module.m["x"].module.n.libvirt_domain.each["a\\"b"]', Kind.VM),
    ]
    assert all(claim.name is None for claim in state.claims)
    assert state.unclaimed == ()


@pytest.mark.parametrize("version", ["0.6", "0.7", "0.8"])
def test_storage_of_all_versions_of_the_provider(version):
    pool = {"id": UUID, "name": "web", "type": "dir", "path": "/pools/web", "source": [], "xml": []}
    if version == "0.8":
        pool |= {"path": None, "target": [{"path": "/pools/web"}]}
    volume = {"id": "/pools/web/r", "name": "r", "pool": "web", "size": 1, "base_volume_id": None, "xml": []}
    seed = {"id": f"/pools/web/i.iso;{UUID}", "name": "i.iso", "pool": "web", "user_data": "x", "meta_data": None}
    text = _state(
        _block("libvirt_pool", "p", {"attributes": pool}),
        _block("libvirt_volume", "v", {"attributes": volume}),
        _block("libvirt_cloudinit_disk", "c", {"attributes": seed}),
        _block("libvirt_combustion", "b", {"attributes": {"id": "/pools/web/b;1", "name": "b", "pool": "web"}}),
    )
    found = {claim.label: (claim.kind, claim.id, claim.pool) for claim in read_tfstate(text, where="s").claims}
    assert found == {
        "web": (Kind.POOL, UUID, None),
        "r": (Kind.VOLUME, "/pools/web/r", "web"),
        "i.iso": (Kind.SEED, "/pools/web/i.iso", "web"),
        "b": (Kind.SEED, "/pools/web/b", "web"),
    }


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (_block("aws_instance", "a", {"attributes": {"id": "i"}}), "not of libvirt"),
        (_block("libvirt_rack", "a", {"attributes": {"id": "i"}}), "libvirt_rack is not known"),
        (_block("libvirt_domain", "a", {"attributes": {"id": "1", "devices": {}}}), "0.9"),
        (_block("libvirt_domain", "a", {"deposed": "00000001", "attributes": {"id": UUID}}), "pending"),
        (_block("libvirt_domain", "a", {"attributes": {"id": None}}), "never made"),
        (_block("libvirt_domain", "a", {"attributes_flat": {"id": UUID}}), "not there"),
    ],
)
def test_what_terraform_has_besides_is_listed(block, why):
    state = read_tfstate(_state(block), where="s")
    assert state.claims == ()
    assert why in state.unclaimed[0].why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "JSON"),
        ('{"version": 4}', "no state"),
        ('{"version": 3, "resources": []}', "version 3"),
        ('{"encrypted_data": "x", "version": 4}', "encrypted"),
        ('{"version": 4, "resources": [1]}', "resource 0"),
    ],
)
def test_what_is_no_state_is_an_error(text, why):
    with pytest.raises(InputError, match=why):
        read_tfstate(text, where="s")
