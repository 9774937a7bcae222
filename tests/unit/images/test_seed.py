"""Seeds are what NoCloud asks for, and equal documents are equal bytes."""

import io
import time

import pycdlib
import pytest

from vmstack.errors import InternalError
from vmstack.images.seed import build_seed
from vmstack.model.plan import SeedDocuments

FILES = {
    "user-data": "#cloud-config\nhostname: wëb\n",
    "meta-data": "instance-id: web-0\n",
    "vendor-data": "#!/bin/sh\n",
    "network-config": "version: 2\n",
}


def seed(files: dict[str, str]) -> bytes:
    return build_seed(SeedDocuments(digest="d", files=files))


@pytest.mark.parametrize("names", [("user-data", "meta-data"), tuple(FILES)])
def test_the_documents_are_readable_by_both_kinds_of_names(names: tuple[str, ...]) -> None:
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(seed({name: FILES[name] for name in names})))
    assert iso.pvd.volume_identifier.decode().rstrip() == "cidata"
    for kind in ("rr_path", "joliet_path"):
        for name in names:
            content = io.BytesIO()
            iso.get_file_from_iso_fp(content, **{kind: f"/{name}"})
            assert content.getvalue().decode() == FILES[name]
        listed = [child.file_identifier() for child in iso.list_children(**{kind: "/"})]
        assert len(listed) == len(names) + 2
    iso.close()


def test_equal_documents_are_equal_bytes_at_any_time_in_any_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    first = seed(FILES)
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    later = time.time() + 100_000_000
    try:
        monkeypatch.setattr(time, "time", lambda: later)
        assert seed(dict(reversed(FILES.items()))) == first
    finally:
        monkeypatch.undo()
        time.tzset()


def test_other_content_is_other_bytes() -> None:
    assert seed(FILES) != seed({**FILES, "meta-data": "instance-id: web-1\n"})


def test_a_large_document_fits() -> None:
    text = "#cloud-config\n" + "# filler\n" * 200_000
    assert text.encode() in seed({**FILES, "user-data": text})


@pytest.mark.parametrize("files", [{"user-data": ""}, {**FILES, "../evil": ""}, {}])
def test_wrong_files_are_our_own_mistake(files: dict[str, str]) -> None:
    with pytest.raises(InternalError):
        seed(files)
