"""What others gave a running guest is theirs; and an object whose stamp they edited is not deleted by it."""

from collections.abc import Callable

import pytest
from lxml import etree

from tests.fake.host import FakeHost
from tests.unit.plan.builders import IMAGES, graph, look, network, pool
from tests.unit.plan.scenarios import UUID, converge, full
from vmstack.errors import RefusedError
from vmstack.plan.planner import make_plan
from vmstack.plan.policy import PlanPolicy
from vmstack.xmlio.stamp import NAMESPACE


def _channel(fake: FakeHost) -> None:
    xml = "<channel type='unix'><target type='virtio' name='com.example.theirs'/></channel>"
    fake.attach_device(UUID, xml, live=True, config=False)


def _weight(fake: FakeHost) -> None:
    fake.tune_domain(UUID, {"cpu_shares": 512}, live=True, config=False)


def _cable_out(fake: FakeHost) -> None:
    root = etree.fromstring(fake.domain(UUID).live_xml or "")
    interface = root.find("devices/interface")
    etree.SubElement(interface, "link", state="down")
    fake.update_device(UUID, etree.tostring(interface, encoding="unicode"), live=True, config=False)


@pytest.mark.parametrize("act", [_channel, _weight, _cable_out])
def test_what_others_gave_the_running_guest_alone_stays(act: Callable[[FakeHost], None]) -> None:
    fake = FakeHost()
    converge(fake, full())
    before = fake.domain(UUID).live_xml
    act(fake)
    assert fake.domain(UUID).live_xml != before
    plan = make_plan(full(), look(fake, full()), policy=PlanPolicy(), images=IMAGES)
    assert (plan.changes, plan.steps) == ((), ())


def test_an_edited_stamp_deletes_nothing() -> None:
    fake = FakeHost()
    converge(fake, full())
    root = etree.fromstring(fake.domain(UUID).xml)
    stamp = root.find("metadata")[0]
    stamp.set("path", stamp.get("path", "").replace("web-0", "web-1"))
    edited = etree.tostring(stamp, encoding="unicode", with_tail=False)
    fake.set_domain_metadata(UUID, xml=edited, namespace=NAMESPACE, live=True)
    fewer = graph(pool(), network())
    observed = look(fake, fewer)
    kvm = observed.hosts["kvm1"]
    assert [domain.stamp.intact for domain in kvm.domains if domain.stamp] == [False]
    with pytest.raises(RefusedError, match="its stamp says so, and that was changed outside vmstack"):
        make_plan(fewer, observed, policy=PlanPolicy(allow_data_loss=True), images=IMAGES)
