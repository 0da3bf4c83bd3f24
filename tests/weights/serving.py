"""A web server for tests, and archives for it to give."""

import contextlib
import gzip
import http.server
import io
import tarfile
import threading
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden" / "tf_checkpoint_small"
NAME = "tf_graph_data.ckpt"
FILES = {f"checkpoint/{path.name}": path.read_bytes() for path in sorted(GOLDEN.iterdir())}


def tar(files, *extra):
    """A tar archive of files by name, and of members that are none."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, contents in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(contents)
            archive.addfile(member, io.BytesIO(contents))
        for member in extra:
            archive.addfile(member)
    return stream.getvalue()


def tar_gz(files=FILES, *extra):
    return gzip.compress(tar(files, *extra), compresslevel=1, mtime=0)


class Server:
    """Keeps the paths asked for in `requests` and gives `contents` by path, or `redirects`.

    `promised` says how many bytes more are announced than come; None announces no length.
    """

    def __init__(self, url):
        self.url = url
        self.requests = []
        self.contents = {}
        self.redirects = {}
        self.promised = 0


@contextlib.contextmanager
def serve():
    """Serves from this process until the end."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.requests.append(self.path)
            if self.path in server.redirects:
                self.send_response(302)
                self.send_header("Location", server.redirects[self.path])
                self.end_headers()
                return
            contents = server.contents.get(self.path)
            if contents is None:
                self.send_error(404)
                return
            self.send_response(200)
            if server.promised is not None:
                self.send_header("Content-Length", str(len(contents) + server.promised))
            self.end_headers()
            self.wfile.write(contents)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        server = Server(f"http://127.0.0.1:{listener.server_address[1]}")
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()
