"""Which addresses are public, and what waiting for a server costs. Servers that misbehave are in `test_fetching`."""

import socket
import time

import pytest

from synapse_assets.sources.web import Patience, TooSlowError, host_and_port, is_public


@pytest.mark.parametrize(
    "ip",
    ["8.8.8.8", "1.1.1.1", "193.0.6.139", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_addresses_of_the_internet_are_public(ip: str) -> None:
    assert is_public(ip)


@pytest.mark.parametrize(
    "ip",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.168.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "2001:0:7f00:1::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_addresses_of_this_machine_and_its_network_are_not(ip: str) -> None:
    assert not is_public(ip)


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("http://Lab.example", ("lab.example", 80)),
        ("HTTPS://lab.example/a?b#c", ("lab.example", 443)),
        ("https://[::1]:8443/", ("::1", 8443)),
        ("http://127.0.0.1:8080?a@b", ("127.0.0.1", 8080)),
    ],
)
def test_the_server_of_an_address(address: str, server: tuple[str, int]) -> None:
    assert host_and_port(address) == server


def receive(connection: socket.socket, patience: Patience) -> None:
    with patience.waiting(connection):
        count = len(connection.recv(1 << 16))
    patience.received(count)


def test_time_of_our_own_is_not_the_servers() -> None:
    """A disk that holds up writing makes no server slow; a silence does."""
    ours, servers = socket.socketpair()
    with ours, servers:
        patience = Patience(1, 1)
        patience.keep_up(1000, 0.2)
        for _ in range(3):
            time.sleep(0.3)
            servers.sendall(b"x")
            receive(ours, patience)
        with pytest.raises(TooSlowError, match="it sends less than 1 kB a second"):
            receive(ours, patience)


def test_what_came_fast_earns_no_more_than_the_first_time() -> None:
    ours, servers = socket.socketpair()
    with ours, servers:
        patience = Patience(1, 1)
        patience.keep_up(1000, 0.2)
        servers.sendall(b"x" * 50_000)
        receive(ours, patience)
        assert patience.left_s() <= 0.2


def test_the_whole_time_is_not_begun_anew_by_signs_of_life() -> None:
    ours, servers = socket.socketpair()
    with ours, servers:
        patience = Patience(0.8, 0.9)
        for _ in range(2):
            time.sleep(0.2)
            servers.sendall(b"x")
            receive(ours, patience)
        with pytest.raises(TooSlowError, match=r"it takes longer than 0\.9 s"):
            receive(ours, patience)
        with pytest.raises(TooSlowError):
            patience.left_s()


def test_a_silence_is_told_from_the_end() -> None:
    ours, servers = socket.socketpair()
    with ours, servers, pytest.raises(TimeoutError) as error:
        receive(ours, Patience(0.05, 10))
    assert not isinstance(error.value, TooSlowError)
