"""Three hosts, each with a member of etcd and an instance, as processes.

Between instances, clients and etcd every connection goes through the proxy:

    kms1-etcd3   instance 1 to member 3      kms1-kms2   instance 1 to instance 2
    client-kms2  clients to instance 2

Members of etcd talk to each other directly; network.cut parts whole hosts.
Development seal and join token: nothing here protects a key.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from faults import network

HOSTS = (1, 2, 3)
ETCD, ETCD_PEER, KMS, KMS_PEER = 2379, 2380, 7443, 7444
# Little enough to be filled, enough for an hour of load.
DISK = "512m"
QUOTA_BYTES = 96 << 20
START_SECONDS = 60  # For a process to do its work after it started; two busy cores.


class ChaosError(Exception):
    """The run itself could not go on."""


class Cluster:
    def __init__(self, work, programs):
        self.work = pathlib.Path(work)
        self.kmsd = programs / "kms/server/kmsd"
        self.kmsctl = programs / "tools/kmsctl/kmsctl"
        self.agent = programs / "tools/kms_agent/kms-agent"
        self.simtee = programs / "tools/simtee/simtee"
        self.loadgen = programs / "tools/loadgen/loadgen"
        self.processes = {}  # "etcd1", "kms2": Popen
        self.ports = {}  # link: port at the hub
        self.preload = {}  # instance: environment of its next start
        self.cluster_id = self.identity = ""

    # --- Making it ---

    def build(self):
        network.build(HOSTS)
        os.chdir(self.work)
        self._certificates()
        for host in HOSTS:
            for what in ("etcd", "kms"):
                disk = self.disk(f"{what}{host}")
                disk.mkdir()
                subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700",
                                "tmpfs", disk], check=True)
        self._links()
        for host in HOSTS:
            self.start(f"etcd{host}")
        self._configure(1, "")
        self.start("kms1")
        self.await_status(1, lambda s: s["seal"]["sealed"], "start")
        init = json.loads(self.ctl(1, "init", "-o", "json", "--timeout", "60s"))
        self.cluster_id, self.identity = init["cluster_id"], init["identity_public_key"]
        for host in HOSTS[1:]:
            self.join(host)
        self._machine()

    def _certificates(self):
        def openssl(*words, extension=None):
            if extension:
                (self.work / "extension").write_text(extension)
                words += ("-extfile", "extension")
            subprocess.run(["openssl", *words], check=True, stderr=subprocess.DEVNULL)

        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        openssl("req", "-x509", *curve, "-days", "30", "-subj", "/CN=chaos CA",
                "-keyout", "ca.key", "-out", "ca.pem")
        names = ",".join(f"IP:{a}" for a in [network.HUB, *map(network.address, HOSTS)])
        (self.work / "join.token").write_bytes(os.urandom(32))
        for name in [*(f"kms{h}" for h in HOSTS), *(f"etcd{h}" for h in HOSTS), "admin"]:
            openssl("req", *curve, "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                    "-out", f"{name}.csr")
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                    "-CAcreateserial", "-days", "30", "-out", f"{name}.pem",
                    extension="extendedKeyUsage=clientAuth" if name == "admin"
                    else f"subjectAltName={names}")
        for secret in ["join.token", *self.work.glob("*.key")]:
            os.chmod(secret, 0o600)

    def _links(self):
        program = pathlib.Path(__file__).with_name("proxy.py")
        self.proxy = subprocess.Popen([sys.executable, program], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=open("proxy.log", "w"))
        wanted = [(f"kms{i}-etcd{j}", j, ETCD) for i in HOSTS for j in HOSTS]
        wanted += [(f"kms{i}-kms{j}", j, KMS_PEER) for i in HOSTS for j in HOSTS if i != j]
        wanted += [(f"client-kms{j}", j, KMS) for j in HOSTS]
        for port, (name, host, target) in enumerate(wanted, start=9001):
            self.ports[name] = port
            self._proxy(f"link {name} {network.HUB}:{port} {network.address(host)}:{target}")

    def _proxy(self, line):
        self.proxy.stdin.write(line + "\n")
        self.proxy.stdin.flush()
        if self.proxy.stdout.readline() != "ok\n":
            raise ChaosError(f"proxy: no answer to {line}")

    def mode(self, mode, *links):
        self._proxy(f"mode {mode} {' '.join(links)}")

    def at_hub(self, link):
        return f"{network.HUB}:{self.ports[link]}"

    def _configure(self, host, join):
        others = [h for h in HOSTS if h != host]
        own = self.work / f"kms{host}"
        (self.work / f"kms{host}.yaml").write_text(f"""\
listen: ["{network.address(host)}:{KMS}"]
data_dir: {self.disk(f"kms{host}")}/data
tls: {{certificate: {own}.pem, private_key: {own}.key, administrators_ca: {self.work}/ca.pem}}
administrators: [admin]
seal: {{kind: development, key_file: {own}.root}}
simulated_anchors: [simulated-snp-ark]
limits: {{challenges_per_second: 1000, releases_per_second: 1000}}
evidence_retention: 1h
log:
  etcd:
    endpoints: {json.dumps([self.at_hub(f"kms{host}-etcd{j}") for j in HOSTS])}
    ca_file: {self.work}/ca.pem
    certificate_file: {own}.pem
    key_file: {own}.key
cluster:
  listen: "{network.address(host)}:{KMS_PEER}"
  peers: {json.dumps([self.at_hub(f"kms{host}-kms{j}") for j in others])}
  certificate: {own}.pem
  private_key: {own}.key
  ca: {self.work}/ca.pem
  release_guard: majority
  development_token_file: {self.work}/join.token
{join}""")

    def join(self, host):
        """Starts an instance on an empty disk; the others admit it."""
        self._configure(host, f"  join: {{cluster_id: {self.cluster_id}, "
                              f"identity_key: {self.identity}}}\n")
        self.start(f"kms{host}")
        self.await_serving(host)

    def _machine(self):
        """A simulated machine, a policy, and a key that it may have."""
        subprocess.run([self.simtee, "init", "--dir", "machine", "--rsa-bits", "2048"],
                       check=True, stdout=subprocess.DEVNULL)
        image = "5a" * 48
        (self.work / "model.yaml").write_text(f"""\
name: model
evidence: [{{type: sev-snp, count: 1}}]
anchors: [simulated-snp-ark]
reference: {{measurements: ["{image}"]}}
rules:
  - id: known-image
    expr: claims.cpu.measurement in reference.measurements
    message: another image
release: {{lease: 1h}}
""")
        attest = self.work / "attest"
        attest.write_text(f"#!/bin/bash\nexec '{self.simtee}' report --dir '{self.work}/machine' "
                          f'--report-data "$1" --out "$2" --measurement {image}\n')
        attest.chmod(0o755)
        self.ctl(1, "anchor", "put", "simulated-snp-ark", "machine/simulated-snp-ark.pem",
                 "--type", "sev-snp", "--simulated")
        self.ctl(1, "policy", "put", "model.yaml")
        self.ctl(1, "key", "create", "model", "--policy", "model")

    # --- Processes ---

    def disk(self, name):
        return self.work / f"{name}.disk"

    def wipe(self, name):
        """What a lost machine had; it must not run."""
        shutil.rmtree(self.disk(name) / "data")
        (self.work / f"{name}.root").unlink(missing_ok=True)

    def start(self, name):
        host = int(name[-1])
        log = open(self.work / f"{name}.log", "a")
        command = self._etcd(host) if name.startswith("etcd") else [
            str(self.kmsd), "--config", f"kms{host}.yaml"]
        environment = {**os.environ, **self.preload.get(name, {})}
        self.processes[name] = subprocess.Popen(network.on(host) + command, stdout=log,
                                                stderr=log, env=environment)

    def _etcd(self, host):
        at = network.address(host)
        client, peer = f"https://{at}:{ETCD}", f"https://{at}:{ETCD_PEER}"
        members = ",".join(f"etcd{h}=https://{network.address(h)}:{ETCD_PEER}" for h in HOSTS)
        tls = [f"etcd{host}.pem", f"etcd{host}.key", "ca.pem"]
        return ["etcd", "--name", f"etcd{host}", "--data-dir", f"{self.disk(f'etcd{host}')}/data",
                "--listen-client-urls", client, "--advertise-client-urls", client,
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", members, "--initial-cluster-state", "new",
                "--quota-backend-bytes", str(QUOTA_BYTES), "--client-cert-auth",
                "--cert-file", tls[0], "--key-file", tls[1], "--trusted-ca-file", tls[2],
                "--peer-client-cert-auth", "--peer-cert-file", tls[0],
                "--peer-key-file", tls[1], "--peer-trusted-ca-file", tls[2]]

    def signal(self, name, number):
        self.processes[name].send_signal(number)
        if number == signal.SIGKILL:
            self.processes[name].wait()

    def kill(self, name):
        self.signal(name, signal.SIGKILL)

    def dead(self, name):
        return self.processes[name].poll() is not None

    # --- Asking it ---

    def environment(self, *hosts):
        return {**os.environ, "KMS_ADDRESS": ",".join(self.at_hub(f"client-kms{h}") for h in hosts),
                "KMS_CA": f"{self.work}/ca.pem", "KMS_CERT": f"{self.work}/admin.pem",
                "KMS_KEY": f"{self.work}/admin.key", "KMS_CLUSTER": self.cluster_id,
                "KMS_IDENTITY": self.identity}

    def try_ctl(self, hosts, *words, timeout=60):
        """kmsctl's exit code, and what it printed (why, if it failed)."""
        done = subprocess.run([self.kmsctl, *words], env=self.environment(*hosts), text=True,
                              capture_output=True, timeout=timeout)
        return done.returncode, done.stdout if done.returncode == 0 else done.stderr

    def ctl(self, host, *words):
        code, out = self.try_ctl([host], *words)
        if code != 0:
            raise ChaosError(f"kmsctl {' '.join(words)} at kms{host}: {out.strip()}")
        return out

    def status(self, host):
        code, out = self.try_ctl([host], "status", "-o", "json", "--timeout", "2s")
        return json.loads(out) if code == 0 else {}

    def await_status(self, host, holds, what, seconds=START_SECONDS):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            status = self.status(host)
            if status and holds(status):
                return
            time.sleep(0.2)
        raise ChaosError(f"kms{host} does not {what} within {seconds} s: "
                         f"{status or 'no answer'}")

    def await_serving(self, host):
        self.await_status(host, lambda s: s.get("serving"), "serve")

    def etcdctl(self, *words, timeout=30, stdin=None):
        endpoints = ",".join(f"https://{network.address(h)}:{ETCD}" for h in HOSTS)
        return subprocess.run(
            ["etcdctl", "--endpoints", endpoints, "--cacert", "ca.pem", "--cert", "admin.pem",
             "--key", "admin.key", *words], text=True, capture_output=True, timeout=timeout,
            input=stdin, env={**os.environ, "ETCDCTL_API": "3"})

    def leader(self):
        """The host of etcd's leader."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            out = self.etcdctl("endpoint", "status", "-w", "json").stdout
            for member in json.loads(out) if out.strip() else []:
                header, status = member["Status"]["header"], member["Status"]
                if header["member_id"] == status.get("leader"):
                    return int(member["Endpoint"].split(":")[1].rsplit(".", 1)[1])
            time.sleep(0.2)
        raise ChaosError("etcd has no leader")
