# SPDX-License-Identifier: Apache-2.0
"""packaging/kubernetes: held against the published schemas, against one another, and against the program that they start."""

import json
import re
import socket
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request

import proxies
import pytest
from serving import ServeProcess

yaml = pytest.importorskip("yaml")
NAMESPACE = "reading"
SECRET = {"api-key": "a-key-of-the-tests", "store-password": "a-password-of-the-tests"}


@pytest.fixture(scope="module")
def objects(root) -> list[dict]:
    found = [item for file in sorted((root / "packaging" / "kubernetes").glob("*.yaml")) for item in yaml.safe_load_all(file.read_text())]
    assert len(found) >= 8
    return found


def one(objects, kind: str, name: str) -> dict:
    (found,) = [item for item in objects if item["kind"] == kind and item["metadata"]["name"] == name]
    return found


def pods(objects) -> list[dict]:
    return [item["spec"]["template"] for item in objects if item["kind"] == "Deployment"]


@pytest.fixture(scope="module")
def replica(objects) -> dict:
    """The pod of `lazyllm serve`."""
    return one(objects, "Deployment", "lazyllm")["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def flags(replica) -> dict[str, str]:
    (container,) = replica["containers"]
    command, *rest = container["args"]
    assert command == "serve" and all(flag.startswith("--") and "=" in flag for flag in rest)
    return dict(flag.split("=", 1) for flag in rest)


def test_the_published_schemas_hold(objects):
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    newest = validate.latest_version()
    for item in objects:
        for version in ("1.29", newest):
            validate.validate(item, version, strict=True)
    broken = json.loads(json.dumps(one(objects, "Deployment", "lazyllm")))
    broken["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(validate.ValidationError):
        validate.validate(broken, newest, strict=True)


def test_every_flag_is_one_of_the_program(flags, program):
    described = json.loads(program.ok("help", "--json"))
    (serve,) = [command for command in described["commands"] if command["name"] == "serve"]
    known = {name for flag in serve["flags"] for name in flag["names"]}
    assert set(flags) <= known, set(flags) - known


@pytest.fixture(scope="module")
def server(flags, replica, program, tiny_chat, tmp_path_factory):
    """Started with the manifest's flags, but for what is of the cluster: addresses, folders, and the threads of its machine."""
    own = {"--model": tiny_chat, "--host": "127.0.0.1", "--threads": "1", "--library": tmp_path_factory.mktemp("library"),
           "--library-store": f"redis://127.0.0.1:{proxies.free_port()}"}
    assert own.keys() <= flags.keys()
    (box,) = replica["containers"]
    secrets = {variable["name"]: variable["valueFrom"]["secretKeyRef"]["key"] for variable in box["env"]}
    with pytest.MonkeyPatch.context() as patch:
        for variable, key in secrets.items():
            patch.setenv(variable, SECRET[key])
        with ServeProcess(program.path, *(f"{name}={value}" for name, value in (flags | own).items() if name != "--port")) as process:
            yield process


def test_the_scaler_counts_what_the_server_tells(objects, server):
    (metric,) = one(objects, "HorizontalPodAutoscaler", "lazyllm")["spec"]["metrics"]
    (rule,) = yaml.safe_load(one(objects, "ConfigMap", "lazyllm-adapter-rule")["data"]["config.yaml"])["rules"]
    series = re.search(r'__name__="([^"]+)"', rule["seriesQuery"]).group(1)
    assert re.sub(rule["name"]["matches"], rule["name"]["as"].replace("$1", r"\1"), series) == metric["pods"]["metric"]["name"]
    assert re.search(rf"^# TYPE {re.escape(series)} gauge$", scraped(objects, server), re.MULTILINE)
    matchers = set(re.findall(r'(\w+)!=""', rule["seriesQuery"]))
    assert matchers <= labels(scrape_job(objects), replica_found(objects)).keys(), "labels that the rule asks for"


def scrape_job(objects) -> dict:
    (job,) = yaml.safe_load(one(objects, "ConfigMap", "lazyllm-scrape-job")["data"]["config.yaml"])["scrape_configs"]
    return job


def scraped(objects, server) -> str:
    """What Prometheus gets; the key comes from the file of the Secret that the job names."""
    job = scrape_job(objects)
    headers = {}
    if "authorization" in job:
        headers["Authorization"] = f"{job['authorization']['type']} {SECRET[job['authorization']['credentials_file'].rpartition('/')[2]]}"
    status, _, body = server.exchange(job["metrics_path"], headers=headers)
    assert status == 200, body
    return body.decode()


def replica_found(objects, deployment: str = "lazyllm") -> dict[str, str]:
    """What Prometheus knows of a pod."""
    pod = one(objects, "Deployment", deployment)["spec"]["template"]
    return {"__meta_kubernetes_namespace": NAMESPACE, "__meta_kubernetes_pod_name": f"{deployment}-5d8f",
            "__meta_kubernetes_pod_container_port_name": pod["spec"]["containers"][0]["ports"][0]["name"],
            **{f"__meta_kubernetes_pod_label_{name}": value for name, value in pod["metadata"]["labels"].items()}}


def labels(job: dict, found: dict[str, str]) -> dict[str, str] | None:
    """The labels of a target after the job's rules; None where it is not scraped."""
    told = {}
    for rule in job["relabel_configs"]:
        value = ";".join(found.get(name, "") for name in rule["source_labels"])
        if rule.get("action") == "keep":
            if not re.fullmatch(rule["regex"], value):
                return None
        else:
            told[rule["target_label"]] = value
    return told


def test_prometheus_scrapes_the_replicas_alone_with_the_key(objects, server):
    job = scrape_job(objects)
    assert server.exchange(job["metrics_path"])[0] == 401, "the server has a key"
    assert "lazyllm:" in scraped(objects, server)
    kept = [item["metadata"]["name"] for item in objects if item["kind"] == "Deployment" and labels(job, replica_found(objects, item["metadata"]["name"])) is not None]
    assert kept == ["lazyllm"]


def test_probes_are_answered(replica, server):
    (container,) = replica["containers"]
    for probe in ("startupProbe", "readinessProbe"):
        assert server.get(container[probe]["httpGet"]["path"])[0] == 200
    assert "httpGet" not in container["livenessProbe"], "/health says 503 while answers end, which must not kill them"


def test_ports_and_names_agree(objects, replica, flags):
    (container,) = replica["containers"]
    (port,) = container["ports"]
    assert str(port["containerPort"]) == flags["--port"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        (how,) = [container[probe][key] for key in ("httpGet", "tcpSocket") if key in container[probe]]
        assert how["port"] == port["name"]
    for service in (item for item in objects if item["kind"] == "Service"):
        selector = service["spec"]["selector"]
        (chosen,) = [pod for pod in pods(objects) if selector.items() <= pod["metadata"]["labels"].items()]
        names = {one_port["name"] for box in chosen["spec"]["containers"] for one_port in box["ports"]}
        assert {one_port["targetPort"] for one_port in service["spec"]["ports"]} <= names
    for deployment in (item for item in objects if item["kind"] == "Deployment"):
        assert deployment["spec"]["selector"]["matchLabels"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    for volume in replica["volumes"]:
        if "persistentVolumeClaim" in volume:
            one(objects, "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in replica["volumes"]}
    target = one(objects, "HorizontalPodAutoscaler", "lazyllm")["spec"]["scaleTargetRef"]
    one(objects, target["kind"], target["name"])
    store = one(objects, "Service", "lazyllm-store")
    assert flags["--library-store"].endswith(f"@{store['metadata']['name']}:{store['spec']['ports'][0]['port']}")


def test_the_pod_that_takes_models_writes_where_the_replicas_read(objects, replica, root):
    pod = one(objects, "Pod", "lazyllm-models")["spec"]
    assert "kubectl cp model.gguf lazyllm-models:/models/model.gguf" in (root / "packaging" / "kubernetes" / "replicas.yaml").read_text()
    (volume,), (box,) = pod["volumes"], pod["containers"]
    assert volume in replica["volumes"]
    (mount,) = box["volumeMounts"]
    assert {**mount, "readOnly": True} in replica["containers"][0]["volumeMounts"]
    assert pod["securityContext"] == replica["securityContext"], "what it writes can be read"


def test_there_is_time_to_drain(replica, flags):
    (container,) = replica["containers"]
    (sleep, seconds) = container["lifecycle"]["preStop"]["exec"]["command"]
    assert sleep == "sleep"
    assert replica["terminationGracePeriodSeconds"] > float(seconds) + float(flags["--drain-seconds"])


@pytest.fixture
def proxy(objects) -> str:
    """Its configuration."""
    return one(objects, "ConfigMap", "lazyllm-proxy")["data"]["haproxy.cfg"]


@pytest.fixture
def haproxy(objects, monkeypatch) -> str:
    """The program, with the environment that its pod gives it."""
    (box,) = one(objects, "Deployment", "lazyllm-proxy")["spec"]["template"]["spec"]["containers"]
    for variable in box.get("env", []):
        assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.namespace"
        monkeypatch.setenv(variable["name"], NAMESPACE)
    return proxies.program("haproxy")


def test_the_proxy_is_sound(objects, proxy, haproxy, root, tmp_path):
    file = tmp_path / "haproxy.cfg"
    file.write_text(proxy)
    checked = subprocess.run([haproxy, "-c", "-f", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    backend = proxy.split("backend replicas\n")[1]
    shipped = (root / "packaging" / "proxy" / "haproxy.cfg").read_text().split("backend replicas\n")[1]
    for line in shipped.splitlines():
        if line.strip().startswith(("balance", "hash-type", "stick", "option")):
            assert line.strip() in backend, f"as in packaging/proxy: {line}"
    places, name, port = re.search(r'server-template replica 1-(\d+) "?([^":]+):(\d+)', proxy).groups()
    assert str(one(objects, "Service", name.split(".")[0])["spec"]["ports"][0]["port"]) == port
    assert one(objects, "HorizontalPodAutoscaler", "lazyllm")["spec"]["maxReplicas"] <= int(places)
    (bind,) = re.findall(r"bind :(\d+)", proxy)
    (box,) = one(objects, "Deployment", "lazyllm-proxy")["spec"]["template"]["spec"]["containers"]
    assert str(box["ports"][0]["containerPort"]) == bind
    with proxies.running([haproxy, "-q", "-f", moved(proxy, tmp_path, own := proxies.free_port())], own):
        with urllib.request.urlopen(f"http://127.0.0.1:{own}{box['readinessProbe']['httpGet']['path']}", timeout=20) as response:
            assert response.status == 200
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{own}/metrics", timeout=20)
        assert refused.value.code == 403


class Names(threading.Thread):
    """A nameserver as that of a cluster: it knows one whole name, at 127.0.0.1, and no other."""

    def __init__(self, known: str):
        super().__init__(daemon=True)
        self.known, self.asked = known, set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def run(self):
        while True:
            query, client = self.socket.recvfrom(65536)
            end = query.index(b"\0", 12)
            labels, at = [], 12
            while at < end:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            name, (kind,) = ".".join(labels), struct.unpack(">H", query[end + 1:end + 3])
            self.asked.add(name)
            address = name == self.known and kind == 1  # A; that it has no AAAA is an answer, too
            head = query[:2] + struct.pack(">HHHHH", 0x8180 if name == self.known else 0x8183, 1, int(address), 0, 0)
            record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 5, 4) + socket.inet_aton("127.0.0.1")
            self.socket.sendto(head + query[12:end + 5] + (record if address else b""), client)


def test_the_proxy_finds_the_replicas_by_their_whole_name(proxy, haproxy, server, tmp_path):
    names = Names(f"lazyllm-replicas.{NAMESPACE}.svc.cluster.local")
    names.start()
    assert "parse-resolv-conf" in proxy
    text = re.sub(r"parse-resolv-conf.*", f"nameserver tests 127.0.0.1:{names.port}", proxy)
    text = re.sub(r"(server-template.*):8080", rf"\g<1>:{server.port}", text)
    with proxies.running([haproxy, "-q", "-f", moved(text, tmp_path, own := proxies.free_port())], own):
        status, end = 0, time.monotonic() + 30
        while status != 200 and time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{own}/health", timeout=20) as response:
                    status = response.status
            except urllib.error.HTTPError as error:
                status = error.code
                time.sleep(0.1)
    assert status == 200, f"asked for {names.asked}"


def moved(text: str, folder, port: int):
    file = folder / "moved.cfg"
    file.write_text(text.replace("bind :8080", f"bind 127.0.0.1:{port}"))
    return file
