"""How hard the property tests try: the same examples on every run, more of them with VMSTACK_DEEP=N."""

import os

from hypothesis import HealthCheck, Phase, settings

_DEEP = int(os.environ.get("VMSTACK_DEEP", "1"))

settings.register_profile(
    "vmstack",
    deadline=None,
    derandomize=_DEEP == 1,
    database=None,
    max_examples=20 * _DEEP,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
# To look at what fails, without minutes of shrinking: pytest --hypothesis-profile=quick
settings.register_profile("quick", settings.get_profile("vmstack"), phases=[Phase.explicit, Phase.generate])
settings.load_profile("vmstack")
