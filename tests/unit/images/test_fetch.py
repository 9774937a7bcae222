"""Downloads, against a real https server on the loopback with certificates of a throw-away authority."""

import datetime
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from tests.unit.images.corpus import MIB, sha256_of, silent, spec_of
from vmstack.errors import ImageError
from vmstack.images.fetch import show_url
from vmstack.images.limits import Limits
from vmstack.images.store import ImageStore

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Server:
    """An https server whose answers are functions by path; counts the requests."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[str] = []
        self.port = 0

    def url(self, path: str, *, host: str = "localhost") -> str:
        return f"https://{host}:{self.port}{path}"


@contextmanager
def serving(certificate: trustme.LeafCert) -> Iterator[Server]:
    server = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.requests.append(self.path)
            server.answers[self.path.partition("?")[0]](self)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.handle_error = lambda *_: None  # type: ignore[method-assign]  # refused handshakes are the point
        listener.socket = context.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
        server.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(autouse=True)
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[Server]:
    with serving(authority.issue_cert("localhost")) as server:
        yield server


def content(data: bytes, *, status: int = 200, length: int | None = None) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data) if length is None else length))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def redirect(target: str, *, status: int = 302) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Location", target)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def refusal(store: ImageStore, url: str, sha256: str | None = "0" * 64) -> str:
    with pytest.raises(ImageError) as caught:
        store.resolve(spec_of(url, sha256=sha256), need_file=True, progress=silent)
    assert caught.value.resolution
    return str(caught.value)


def objects(folder: Path) -> list[Path]:
    return list((folder / "cache/objects").glob("*"))


def test_a_download_is_verified_and_kept(server: Server, store: ImageStore, qcow2: Path, tmp_path: Path) -> None:
    server.answers["/debian.qcow2"] = content(qcow2.read_bytes())
    spec = spec_of(server.url("/debian.qcow2"), sha256=sha256_of(qcow2))
    seen: list[tuple[int, int | None]] = []
    facts = store.resolve(spec, need_file=True, progress=lambda _label, done, total: seen.append((done, total)))
    assert facts.path is not None
    assert Path(facts.path).read_bytes() == qcow2.read_bytes()
    assert (facts.sha256, facts.virtual_size) == (sha256_of(qcow2), 16 * MIB)
    assert seen[-1] == (qcow2.stat().st_size, qcow2.stat().st_size)
    assert store.resolve(spec, need_file=True, progress=silent) == facts
    assert store.resolve(spec, need_file=False, progress=silent).path is None
    assert server.requests == ["/debian.qcow2"]
    assert [path.name for path in objects(tmp_path)] == [sha256_of(qcow2)]


def test_redirects_to_https_are_followed(server: Server, store: ImageStore, qcow2: Path) -> None:
    server.answers["/latest"] = redirect("/one")
    server.answers["/one"] = redirect(server.url("/two?token=x"), status=308)
    server.answers["/two"] = content(qcow2.read_bytes())
    spec = spec_of(server.url("/latest"), sha256=sha256_of(qcow2))
    assert store.resolve(spec, need_file=True, progress=silent).virtual_size == 16 * MIB


@pytest.mark.parametrize(
    "target", ["http://localhost/x", "file:///etc/shadow", "ftp://localhost/x", "HTTP://localhost:1/x"]
)
def test_other_redirects_are_refused(server: Server, store: ImageStore, target: str) -> None:
    server.answers["/latest"] = redirect(target)
    assert "https" in refusal(store, server.url("/latest"))
    assert server.requests == ["/latest"]


def test_endless_redirects_are_refused(server: Server, store: ImageStore) -> None:
    server.answers["/loop"] = redirect("/loop")
    assert "redirects more than" in refusal(store, server.url("/loop"))
    assert len(server.requests) < 10


def test_a_wrong_digest_is_refused_and_nothing_is_kept(
    server: Server, store: ImageStore, qcow2: Path, tmp_path: Path
) -> None:
    server.answers["/debian.qcow2"] = content(qcow2.read_bytes())
    assert sha256_of(qcow2) in refusal(store, server.url("/debian.qcow2"))
    assert objects(tmp_path) == []


def test_a_truncated_answer_is_refused(server: Server, store: ImageStore, qcow2: Path, tmp_path: Path) -> None:
    data = qcow2.read_bytes()
    server.answers["/debian.qcow2"] = content(data[:100_000], length=len(data))
    assert "broke off" in refusal(store, server.url("/debian.qcow2"), sha256=sha256_of(qcow2))
    assert objects(tmp_path) == []


def test_too_long_answers_are_refused(server: Server, tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "cache", limits=Limits(download=MIB))

    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(64):
            handler.wfile.write(bytes(MIB))

    server.answers["/announced"] = content(b"", length=10**12)
    server.answers["/endless"] = endless
    for path in ("/announced", "/endless"):
        assert "larger than 1 MiB" in refusal(store, server.url(path))
    assert objects(tmp_path) == []


def test_a_wrong_format_is_refused_before_the_end(server: Server, store: ImageStore, tmp_path: Path) -> None:
    server.answers["/x"] = content(bytes(32 * MIB))
    seen: list[int] = []
    with pytest.raises(ImageError, match="raw data"):
        store.resolve(
            spec_of(server.url("/x"), sha256="0" * 64),
            need_file=True,
            progress=lambda _label, done, _total: seen.append(done),
        )
    assert max(seen) < 8 * MIB
    assert objects(tmp_path) == []


@pytest.mark.parametrize("status", [403, 404, 410, 500])
def test_an_error_status_is_named(server: Server, store: ImageStore, status: int) -> None:
    server.answers["/x"] = content(b"<html>", status=status)
    assert f"answers {status}" in refusal(store, server.url("/x"))


def test_a_digest_is_required(server: Server, store: ImageStore) -> None:
    assert "no sha256" in refusal(store, server.url("/x"), sha256=None)
    assert server.requests == []


def expired(authority: trustme.CA) -> trustme.LeafCert:
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    return authority.issue_cert("localhost", not_after=yesterday)


CERTIFICATES: dict[str, Callable[[trustme.CA], trustme.LeafCert]] = {
    "expired": expired,
    "another host": lambda authority: authority.issue_cert("example.org"),
    "unknown authority": lambda _authority: trustme.CA().issue_cert("localhost"),
}


@pytest.mark.parametrize("make", CERTIFICATES.values(), ids=CERTIFICATES.keys())
def test_a_server_without_a_good_certificate_is_refused(
    authority: trustme.CA, store: ImageStore, make: Callable[[trustme.CA], trustme.LeafCert]
) -> None:
    with serving(make(authority)) as server:
        server.answers["/x"] = content(b"")
        assert "cannot be trusted" in refusal(store, server.url("/x"))
        assert server.requests == []


def test_secrets_in_a_url_are_not_shown(store: ImageStore, server: Server) -> None:
    server.answers["/x"] = content(b"", status=404)
    said = refusal(store, f"https://user:canary1@localhost:{server.port}/x?token=canary2")
    assert "canary" not in said
    assert show_url("https://u:p@host:8443/a/b?c#d") == "https://host:8443/a/b"


def test_a_server_that_is_not_there_is_an_error(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    assert "cannot fetch" in refusal(store, "https://localhost:1/x")
