"""serve(): one page, on this machine only."""

import http.client
import socket

import pytest

from microtrain.errors import ArgumentError

from . import programs


@pytest.fixture(scope="module")
def trace():
    return programs.neuron()


def ask(server, method="GET", path="/", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())
    finally:
        connection.close()


def test_the_page_and_nothing_else(trace, capsys):
    with trace.serve() as server:
        assert server.url == f"http://127.0.0.1:{server.port}/"
        assert server.url in capsys.readouterr().out
        status, text, headers = ask(server)
        assert status == 200 and text == trace.html()
        assert headers["Content-Type"] == "text/html; charset=utf-8" and headers["Server"].strip() == "microtrain"
        assert ask(server, path="/?x=1")[0] == 200
        for path in ("/etc/passwd", "/../setup.cfg", "//", "/index.html"):
            assert ask(server, path=path)[0] == 404
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert ask(server, method)[0] == 501
        assert ask(server, Host="evil.example")[0] == 404  # a foreign name that points here
        assert capsys.readouterr().err == ""
    with pytest.raises(ConnectionError):
        ask(server)


def test_only_this_machine(trace):
    with trace.serve() as server:
        assert server._server.server_address[0] == "127.0.0.1"


def test_a_port_that_is_taken(trace):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ArgumentError, match="Choose another port"):
            trace.serve(port=taken.getsockname()[1])
    with pytest.raises(ArgumentError, match="Choose another port"):
        trace.serve(port=70_000)
