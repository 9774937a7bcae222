"""Which images are needed, how a base image is judged, and what names a seed."""

import json

import msgspec
import pytest

from tests.fake.host import FakeHost
from tests.unit.plan.builders import FACTS, IMAGES, STACK, graph, host, image, look, pool, root, seed, small, vm
from tests.unit.plan.scenarios import converge, ledger_edit
from vmstack.errors import InputError, InternalError
from vmstack.model.identity import Key, Kind, StackId, base_volume_name
from vmstack.model.observed import Observed
from vmstack.model.ownership import EntryState
from vmstack.model.specs import VolumeSource
from vmstack.plan.bases import BaseStatus, base_slot, base_status
from vmstack.plan.image_needs import ImageNeeds, image_needs
from vmstack.plan.index import index_host
from vmstack.plan.placement import place
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy
from vmstack.plan.seeds import instance_id, seed_capacity, seed_documents

KNOWN = {"debian": msgspec.structs.replace(FACTS, path=None)}
LABEL = base_volume_name("debian", sha256=FACTS.sha256, format="qcow2")


def built() -> FakeHost:
    fake = FakeHost()
    converge(fake, graph(*small()))
    return fake


def test_an_empty_host_needs_the_image() -> None:
    desired = graph(*small())
    assert image_needs(desired, look(FakeHost(), desired)) == ImageNeeds(missing=("debian",))


def test_a_host_that_has_it_knows_its_facts() -> None:
    desired = graph(*small())
    assert image_needs(desired, look(built(), desired)) == ImageNeeds(known=KNOWN)


def test_without_a_digest_in_the_program_the_file_is_looked_at() -> None:
    desired = graph(pool(), image(sha256=None), root(), vm())
    assert image_needs(desired, look(built(), desired)).missing == ("debian",)


def test_an_image_that_nothing_is_made_from_is_not_needed() -> None:
    desired = graph(pool(), image())
    assert image_needs(desired, look(FakeHost(), desired)) == ImageNeeds()


def test_one_pool_without_it_is_enough_to_need_the_file() -> None:
    desired = graph(*small(), pool("b"), root("b-root", pool="b"))
    assert image_needs(desired, look(built(), desired)).missing == ("debian",)


def test_an_image_that_was_not_given_is_our_own_fault() -> None:
    desired = graph(*small())
    with pytest.raises(InternalError, match="debian"):
        make_plan(desired, look(FakeHost(), desired), policy=PlanPolicy(), images={})


@pytest.mark.parametrize(
    ("wreck", "status"),
    [
        (lambda fake: None, BaseStatus.COMPLETE),
        (lambda fake: fake.delete_volume("web", LABEL), BaseStatus.ABSENT),
        (ledger_edit(debian_at_web=EntryState.PENDING), BaseStatus.COMPLETE),  # the overlay on it proves it
        (
            lambda fake: (
                fake.delete_volume("web", "web-0-root.qcow2"),
                ledger_edit(debian_at_web=EntryState.PENDING)(fake),
            ),
            BaseStatus.UNPROVEN,
        ),
        (lambda fake: fake.stop_pool("web"), BaseStatus.COMPLETE),
    ],
)
def test_status_of_a_base_image(wreck: object, status: BaseStatus) -> None:
    fake = built()
    wreck(fake.connect())
    snapshot = look(fake, graph(*small())).hosts["kvm1"]
    assert base_status(base_slot(FACTS, pool="web"), index=index_host(snapshot, stack=STACK)) is status


def test_a_volume_that_no_ledger_lists_is_foreign() -> None:
    snapshot = look(built(), graph(*small())).hosts["kvm1"]
    stranger = msgspec.structs.replace(snapshot, ledger=None)
    index = index_host(stranger, stack=StackId("other", "dev"))
    assert base_status(base_slot(FACTS, pool="web"), index=index) is BaseStatus.FOREIGN


def test_seed_digest_covers_everything() -> None:
    base = seed_documents(seed(), instance="a")
    others = [
        seed_documents(seed(), instance="b"),
        seed_documents(seed(user_data="#cloud-config\n"), instance="a"),
        seed_documents(seed(vendor_data=None), instance="a"),
        seed_documents(seed(network_config="version: 2\n"), instance="a"),
        seed_documents(seed(meta_data={"local-hostname": "x"}), instance="a"),
    ]
    assert len({base.digest, *(other.digest for other in others)}) == 6
    assert seed_documents(seed(), instance="a") == base


def test_meta_data_is_yaml_with_the_instance_id() -> None:
    documents = seed_documents(seed(meta_data={"local-hostname": "wéb"}), instance="shop-dev-web-0-1")
    assert json.loads(documents.files["meta-data"]) == {"instance-id": "shop-dev-web-0-1", "local-hostname": "wéb"}
    assert instance_id(STACK, "web-0", generation=1) == "shop-dev-web-0-1"


def test_seed_capacity_is_more_than_the_content() -> None:
    documents = seed_documents(seed(user_data="x" * 100_000), instance="a")
    assert seed_capacity(documents) > 100_000 + 64 * 1024


def test_a_full_copy_that_was_interrupted_is_made_again() -> None:
    fake = FakeHost()
    copy = root(source=VolumeSource.FULL_COPY)
    converge(fake, graph(pool(), image(), copy))
    ledger_edit(web_0_root=EntryState.PENDING)(fake)
    desired = graph(pool(), image(), copy, vm())
    plan = make_plan(desired, look(fake, desired), policy=PlanPolicy(), images=IMAGES)
    assert [step.id for step in plan.steps if step.key == Key(Kind.VOLUME, "web-0-root")] == [
        "kvm1/volume.web-0-root/delete",
        "kvm1/volume.web-0-root/create",
    ]


def test_a_host_that_was_not_read_is_unknown() -> None:
    with pytest.raises(InputError, match="kvm9"):
        place(graph(host("kvm9"), pool(host="kvm9")), Observed(hosts={}))
