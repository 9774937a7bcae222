"""Secrets of usage type `volume`, as the ledger and the lock need them."""

import pytest

from tests.contract.conftest import Site
from vmstack.errors import ExistsError, NotFoundError

NASTY = '{"a": "<&>\\"\' ü \\u0000 ]]>", "long": "' + "x" * 100_000 + '"}'


def test_secret_is_redefined_whole(site: Site) -> None:
    uuid, usage = site.uuid("s"), site.usage("ledger")
    for description in ("first", NASTY, ""):
        site.driver.define_secret(uuid=uuid, usage=usage, description=description)
        [record] = site.driver.secrets(usage_prefix=site.usage(""))
        assert (record.uuid, record.usage, record.description) == (uuid, usage, description)
    site.driver.undefine_secret(uuid)
    assert site.driver.secrets(usage_prefix=site.usage("")) == []


def test_second_secret_of_a_usage_is_refused(site: Site) -> None:
    usage = site.usage("lock")
    site.driver.define_secret(uuid=site.uuid("one"), usage=usage, description="mine")
    with pytest.raises(ExistsError):
        site.driver.define_secret(uuid=site.uuid("two"), usage=usage, description="yours")
    [record] = site.driver.secrets(usage_prefix=usage)
    assert (record.uuid, record.description) == (site.uuid("one"), "mine")


def test_prefix_chooses(site: Site) -> None:
    for part in ("ab:1", "ab:2", "b:1"):
        site.driver.define_secret(uuid=site.uuid(part), usage=site.usage(part), description=part)
    found = site.driver.secrets(usage_prefix=site.usage("ab:"))
    assert sorted(record.description for record in found) == ["ab:1", "ab:2"]


def test_secret_that_is_not_there(site: Site) -> None:
    with pytest.raises(NotFoundError):
        site.driver.undefine_secret(site.uuid("none"))
