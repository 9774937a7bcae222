"""What a document says besides what vmstack knows of it."""

import pytest

from vmstack.xmlio.overlay import find_missing
from vmstack.xmlio.remainder import digest_of_remainder, network_remainder, pool_remainder, volume_remainder
from vmstack.xmlio.safe import parse_xml


@pytest.mark.parametrize(
    ("remainder", "known", "more"),
    [
        (network_remainder,
         "<network><name>n</name><uuid>u</uuid><metadata><x/></metadata><domain name='d'/><mtu size='1'/>"
         "<bridge name='b'/><dns enable='yes'><host ip='1'/><srv/><forwarder/></dns><route/>"
         "<ip a='1'><dhcp><range/><host/></dhcp></ip></network>",
         "<network><bridge name='other'/><ip a='1'/></network>"),
        (pool_remainder, "<pool type='dir'><name>n</name><uuid>u</uuid><capacity>1</capacity><source/>"
         "<target><path>/p</path></target></pool>", "<pool type='dir'/>"),
        (volume_remainder, "<volume><name>n</name><capacity>1</capacity><backingStore><path>p</path></backingStore>"
         "<target><path>/p</path><format type='raw'/></target></volume>", "<volume/>"),
    ],
)  # fmt: skip
def test_what_vmstack_knows_is_no_part_of_it(remainder, known: str, more: str) -> None:
    assert digest_of_remainder(remainder(known)) == digest_of_remainder(remainder(more))
    root = parse_xml(known, what="it").tag
    other = f"<{root} extra='1'" + known.removeprefix(f"<{root}")
    assert digest_of_remainder(remainder(other)) != digest_of_remainder(remainder(known))


def test_a_lease_that_says_more_is_a_part_of_it() -> None:
    plain = "<network><ip><dhcp><range start='1' end='2'/></dhcp></ip></network>"
    timed = plain.replace("end='2'/>", "end='2'><lease expiry='5'/></range>")
    assert digest_of_remainder(network_remainder(plain)) != digest_of_remainder(network_remainder(timed))
    assert find_missing(network_remainder(timed), network_remainder(plain)) is not None
