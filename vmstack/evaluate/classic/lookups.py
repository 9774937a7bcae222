"""`X.get(name, id)`: what is there already, as the host tells of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vmstack.errors import InputError
from vmstack.evaluate.classic.scene import Reference, Scene
from vmstack.evaluate.engine.registration import Answer, Registration
from vmstack.evaluate.engine.values import reveal
from vmstack.evaluate.native.fields import check_label
from vmstack.model.facts import Question, Subject
from vmstack.model.identity import Kind

_DEFAULT_POOL: Final = "default"
_SUBJECTS: Final[Mapping[str, tuple[Subject, Kind]]] = {
    "libvirt:index/domain:Domain": ("domain", Kind.VM),
    "libvirt:index/network:Network": ("network", Kind.NETWORK),
    "libvirt:index/pool:Pool": ("pool", Kind.POOL),
    "libvirt:index/volume:Volume": ("volume", Kind.VOLUME),
}


def look_up(registration: Registration, *, id: str, uri: str, scene: Scene) -> Answer:
    """Read what the host has of that id. Where the program says its name (a volume's pool) too, nobody must be asked.

    Not whole until the host has answered. Raises `InputError` for what is not there.
    """
    found = _SUBJECTS.get(registration.type)
    if found is None:
        raise InputError("it cannot be read: libvirt knows nothing of it but the volume", resolution="use Volume.get")
    subject, kind = found
    given = {name: reveal(value)[0] for name, value in registration.inputs.items()}
    said = bool(given.get("pool" if kind is Kind.VOLUME else "name")) and kind is not Kind.VM
    question = Question(uri=uri, subject=subject, id=id)
    if said:
        told = dict(scene.recorder.ask(question))
        told |= {name: given[name] for name in ("name", "pool") if given.get(name)}
    else:
        answer = scene.recorder.need(question, place=registration.place)
        if answer is None:
            return Answer(id=id, outputs={}, whole=False)
        if not answer:
            raise InputError(f"{uri} has no {subject} with the id {id}", resolution="look it up with virsh")
        told = dict(answer)
    label = str(told.get("name") or Path(id).name)
    told.setdefault("name", label)
    if kind is not Kind.VM:
        pool = str(told.get("pool") or given.get("pool") or _DEFAULT_POOL) if kind is Kind.VOLUME else None
        scene.references[id] = Reference(registration, kind, uri, check_label(label, field="name"), pool)
    return Answer(id=id, outputs=_outputs(told, subject=subject), whole=not said)


def _outputs(told: Mapping[str, object], *, subject: Subject) -> dict[str, object]:
    """By the names of the old provider's outputs."""
    outputs = {name: value for name, value in told.items() if name != "id" and "/" not in name}
    if subject == "domain":
        outputs["cpu"] = {"mode": outputs.pop("cpuMode", None)}
    if subject == "pool" and "path" in outputs:
        outputs["target"] = {"path": outputs["path"]}
    return outputs
