"""A network of our own: a switch, and a network namespace for each host.

Everything lies in the private namespaces that tools/cluster/chaos entered
before, so nothing of it outlives the run or meets another one.
"""

import subprocess

HUB = "10.77.0.254"  # Where the clients and the proxy are.


def address(host):
    return f"10.77.0.{host}"


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def build(hosts):
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    subprocess.run(["mkdir", "/run/netns"], check=True)
    ip("link", "set", "lo", "up")
    ip("link", "add", "switch", "type", "bridge")
    ip("addr", "add", f"{HUB}/24", "dev", "switch")
    ip("link", "set", "switch", "up")
    for host in hosts:
        ip("netns", "add", f"host{host}")
        ip("link", "add", f"port{host}", "type", "veth", "peer", "name", "eth0",
           "netns", f"host{host}")
        ip("link", "set", f"port{host}", "master", "switch", "up")
        ip("-n", f"host{host}", "addr", "add", f"{address(host)}/24", "dev", "eth0")
        ip("-n", f"host{host}", "link", "set", "eth0", "up")
        ip("-n", f"host{host}", "link", "set", "lo", "up")


def on(host):
    """The words that make a command run on that host."""
    return ["ip", "netns", "exec", f"host{host}"]


def cut(host):
    """Packets to and from it are lost; nobody is told."""
    ip("link", "set", f"port{host}", "down")


def heal(host):
    ip("link", "set", f"port{host}", "up")
