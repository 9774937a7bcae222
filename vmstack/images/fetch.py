"""Downloads over https: verified, bounded, and never handed on in part."""

import ssl
import time
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from vmstack.errors import ImageError
from vmstack.images.limits import Limits
from vmstack.model.sizes import KIB, format_size

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager, Retry, Timeout

_CHUNK: Final = 256 * KIB
_MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CONNECT_TIMEOUT: Final = 15.0
_READ_TIMEOUT: Final = 30.0
# A server that sends less than this in every such span (seconds) is not worth waiting for.
_STALL_SPAN: Final = 60.0
_STALL_BYTES: Final = 64 * KIB
_AGAIN: Final = "check the network and run it again"


def show_url(url: str) -> str:
    """The URL without what may be secret in it: user, password and query."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def download(url: str, *, limits: Limits, what: str) -> tuple[Iterator[bytes], int | None]:
    """Open `url` and return its content in chunks, and its length in bytes where the server tells.

    TLS is verified against the system's certificates, or `SSL_CERT_FILE`/`SSL_CERT_DIR`; a proxy from the environment
    is honoured. Redirects are followed to https only. Raises `ImageError`, also while the content is read: for a
    truncated, stalled or too long answer. `what` names the image in errors.
    """
    import urllib3

    timeout = urllib3.Timeout(connect=_CONNECT_TIMEOUT, read=_READ_TIMEOUT)
    retries = urllib3.Retry(
        total=3,
        connect=3,
        read=0,
        redirect=0,
        other=0,
        status_forcelist=(502, 503, 504),
        backoff_factor=0.5,
        raise_on_status=False,
    )
    for _hop in range(_MAX_REDIRECTS + 1):
        if urlsplit(url).scheme != "https" or not urlsplit(url).hostname:
            raise ImageError(f"{what}: {show_url(url)} is not an https URL", resolution="use https, or a local file")
        pool = _pool(url, timeout=timeout, retries=retries)
        try:
            response = pool.request(
                "GET",
                url,
                redirect=False,
                preload_content=False,
                decode_content=False,
                headers={"Accept-Encoding": "identity"},
            )
        except urllib3.exceptions.HTTPError as error:
            raise _unreachable(url, error, what=what) from error
        if response.status not in _REDIRECTS:
            return _open(response, url=url, limits=limits, what=what)
        target = response.headers.get("Location", "")
        response.release_conn()
        url = urljoin(url, target)
        if urlsplit(url).scheme != "https":
            raise ImageError(
                f"{what}: the server redirects to {show_url(url)}, which is not https",
                resolution="use the address of a server that keeps to https",
            )
    raise ImageError(f"{what}: the server redirects more than {_MAX_REDIRECTS} times", resolution="check the URL")


def _pool(url: str, *, timeout: "Timeout", retries: "Retry") -> "PoolManager":
    import urllib3

    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    host = urlsplit(url).hostname or ""
    proxy = urllib.request.getproxies().get("https")
    if proxy and not urllib.request.proxy_bypass(host):
        return urllib3.ProxyManager(proxy, ssl_context=context, timeout=timeout, retries=retries)
    return urllib3.PoolManager(ssl_context=context, timeout=timeout, retries=retries)


def _open(response: "BaseHTTPResponse", *, url: str, limits: Limits, what: str) -> tuple[Iterator[bytes], int | None]:
    if response.status != 200:
        response.release_conn()
        raise ImageError(
            f"{what}: {show_url(url)} answers {response.status} {response.reason or ''}".rstrip(),
            resolution="check the URL" if response.status < 500 else "try again later",
        )
    text = response.headers.get("Content-Length", "")
    length = int(text) if text.isascii() and text.isdigit() else None
    if length is not None and length > limits.download:
        response.release_conn()
        raise _too_long(limits, what=what)
    return _chunks(response, url=url, limits=limits, what=what), length


def _chunks(response: "BaseHTTPResponse", *, url: str, limits: Limits, what: str) -> Iterator[bytes]:
    import urllib3

    total = in_span = 0
    started = time.monotonic()
    try:
        # read1 gives what is there, so that a server that sends drop by drop cannot hide behind a full buffer.
        while chunk := response.read1(_CHUNK):
            total += len(chunk)
            in_span += len(chunk)
            if total > limits.download:
                raise _too_long(limits, what=what)
            yield chunk
            if time.monotonic() - started > _STALL_SPAN:
                if in_span < _STALL_BYTES:
                    raise ImageError(f"{what}: the server sends almost nothing", resolution=_AGAIN)
                started, in_span = time.monotonic(), 0
    except (urllib3.exceptions.HTTPError, OSError) as error:
        if total and isinstance(error, urllib3.exceptions.ProtocolError):
            raise ImageError(
                f"{what}: the download of {show_url(url)} broke off after {format_size(total)}", resolution=_AGAIN
            ) from error
        raise _unreachable(url, error, what=what) from error
    finally:
        response.close()


def _unreachable(url: str, error: Exception, *, what: str) -> ImageError:
    cause: BaseException = error
    while isinstance(reason := getattr(cause, "reason", None), BaseException):
        cause = reason
    if isinstance(cause, ssl.SSLError) or "certificate" in str(cause).lower():
        return ImageError(
            f"{what}: the server of {show_url(url)} cannot be trusted",
            details=[_describe(cause)],
            resolution="correct the address; for a private authority name its certificates by SSL_CERT_FILE",
        )
    return ImageError(f"{what}: cannot fetch {show_url(url)}", details=[_describe(cause)], resolution=_AGAIN)


def _describe(cause: BaseException) -> str:
    """One line of a network error, without the object addresses that urllib3 puts in front."""
    text = " ".join(str(cause).split())
    return text.rpartition(">: ")[2] if text.startswith("<") else text


def _too_long(limits: Limits, *, what: str) -> ImageError:
    return ImageError(
        f"{what} is larger than {format_size(limits.download)}",
        resolution="download it by hand and use the file, if it is what you expect",
    )
