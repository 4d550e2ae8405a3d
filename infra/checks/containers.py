"""Starts the containers of the templates as processes, as ECS would start them.

    containers.py            all of them: Temporal's schema, server and namespace, migrations, worker

A container gets its command, environment, secrets and health check from the rendered template, and
nothing else from this machine except what MACHINE names. So a variable that is missing or wrong in
a template is found before a deployment. Postgres accepts only connections with TLS.

The programs of the images are those of `local/install temporal-server temporal emulator` and
`cargo build --workspace`. A process has no file system of its own: the paths of the images are
replaced by paths in a folder that is removed at the end, and a read-only root is not tested.
"""

import collections
import json
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import boto3
import images
import rules

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / ".local/bin"
REGION, ACCOUNT = "us-east-1", "000000000000"
PSEUDO = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}
# Removed from a list or a mapping, like !Ref AWS::NoValue.
NO_VALUE = object()
# The entry point and the command of the images (Dockerfile; docker/targets/server.Dockerfile of
# Temporal).
IMAGES = {
    "server": ([], ["/etc/temporal/entrypoint.sh"]),
    "migrate": (["worker"], ["run"]),
    "worker": (["worker"], ["run"]),
}


class Rendered:
    """A template with the values of its parameters and of the attributes that it refers to."""

    def __init__(self, path, parameters, attributes):
        self.content = rules.read(ROOT / path)[0].content
        self.parameters = {name: spec["Default"] for name, spec in self.content.get("Parameters", {}).items() if "Default" in spec}
        unknown = parameters.keys() - self.content.get("Parameters", {}).keys()
        assert not unknown, f"{path} has no parameters {sorted(unknown)}"
        self.parameters |= parameters
        self.attributes = attributes

    def value(self, value):
        if isinstance(value, list):
            return [item for item in map(self.value, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return self.reference(argument)
            if name == "Fn::GetAtt":
                return self.attributes[argument if isinstance(argument, str) else ".".join(argument)]
            if name == "Fn::Sub":
                return self.substitute(argument)
            if name == "Fn::If":
                condition, then, otherwise = argument
                return self.value(then if self.condition({"Condition": condition}) else otherwise)
        rendered = {name: self.value(inner) for name, inner in value.items()}
        return {name: inner for name, inner in rendered.items() if inner is not NO_VALUE}

    def reference(self, name):
        if name == "AWS::NoValue":
            return NO_VALUE
        for values in (PSEUDO, self.parameters, self.attributes):
            if name in values:
                return values[name]
        return name

    def substitute(self, argument):
        text, own = (argument, {}) if isinstance(argument, str) else argument
        own = {name: self.value(value) for name, value in own.items()}

        def replace(match):
            name = match.group(1)
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            return str(own[name] if name in own else self.attributes[name] if "." in name else self.reference(name))

        return re.sub(r"\$\{([^}]+)\}", replace, text)

    def condition(self, value):
        ((name, argument),) = value.items()
        if name == "Condition":
            return self.condition(self.content["Conditions"][argument])
        if name == "Fn::Equals":
            first, second = (str(self.value(item)) for item in argument)
            return first == second
        if name == "Fn::Not":
            return not self.condition(argument[0])
        if name == "Fn::And":
            return all(map(self.condition, argument))
        if name == "Fn::Or":
            return any(map(self.condition, argument))
        raise ValueError(name)

    def containers(self, task):
        """The container definitions of a task, by their names."""
        definitions = self.value(self.content["Resources"][task]["Properties"]["ContainerDefinitions"])
        return {definition["Name"]: definition for definition in definitions}

    def passed_to(self, nested):
        """The parameters that this template passes to a nested one."""
        return self.value(self.content["Resources"][nested]["Properties"]["Parameters"])


class Host:
    """What the containers find around them: files, programs, secrets, and free ports."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.paths, self.secrets, self.machine = {}, {}, {}
        self.programs = self.folder / "bin"
        self.programs.mkdir()
        # A health check may use this program of the image's busybox.
        self.script("nc", f'exec {sys.executable} -c "import socket, sys; socket.create_connection(sys.argv[2:4], 3)" "$@"')
        self.processes = []

    def script(self, name, text, folder=None):
        path = (folder or self.programs) / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def program(self, name, path):
        assert path.exists(), f"{path} is missing"
        self.script(name, f'exec {shlex.quote(str(path))} "$@"')

    def localized(self, text):
        for inside, here in self.paths.items():
            text = text.replace(inside, str(here))
        return text

    def environment(self, container):
        given = {item["Name"]: self.localized(str(item["Value"])) for item in container.get("Environment", [])}
        for secret in container.get("Secrets", []):
            arn, key = split_secret(secret["ValueFrom"])
            content = self.secrets[arn]
            given[secret["Name"]] = content[key] if key else json.dumps(content)
        return given | self.machine.get(container["Name"], {}) | {"PATH": f"{self.programs}:/usr/bin:/bin", "HOME": str(self.folder)}

    def start(self, container):
        # Without a command of its own, a container runs that of its image.
        entry_point, command = IMAGES.get(container["Name"], ([], []))
        command = [*container.get("EntryPoint", entry_point), *container.get("Command", command)]
        environment = self.environment(container)
        log = open(self.folder / f"{container['Name']}.log", "a")
        command = [self.localized(part) for part in command]
        command[0] = shutil.which(command[0], path=environment["PATH"]) or command[0]
        process = subprocess.Popen(command, env=environment, cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def run(self, container, limit=120):
        """Runs a container that must end well."""
        try:
            code = self.start(container).wait(limit)
        except subprocess.TimeoutExpired:
            self.check(False, container, f"did not end within {limit} s")
        self.check(code == 0, container, f"ended with {code}")
        print(f"  {container['Name']} ended well")

    def serve(self, container, process):
        """Waits until a container is healthy, in the time that ECS gives it."""
        check = container["HealthCheck"]
        kind, *command = check["Command"]
        assert kind == "CMD", kind
        # On a slow machine, the first start takes longer than on Fargate.
        deadline = time.monotonic() + 2 * (check["StartPeriod"] + check["Retries"] * check["Interval"])
        environment = self.environment(container)
        command[0] = shutil.which(command[0], path=environment["PATH"]) or command[0]
        command = [self.port_of(part) for part in command]
        while True:
            self.check(process.poll() is None, container, f"ended with {process.returncode}")
            answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
            if answer.returncode == 0:
                break
            self.check(time.monotonic() < deadline, container, f"is not healthy: {answer.stdout}{answer.stderr}")
            time.sleep(1)
        print(f"  {container['Name']} is healthy")

    def stop(self, container, process):
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(container["StopTimeout"])
        except subprocess.TimeoutExpired:
            self.check(False, container, f"did not end within its StopTimeout of {container['StopTimeout']} s")
        self.check(code in (0, -signal.SIGTERM), container, f"ended with {code}")
        print(f"  {container['Name']} stopped in time")

    def port_of(self, text):
        return str(self.paths.get(f"port {text}", text))

    def check(self, holds, container, text):
        if not holds:
            log = (self.folder / f"{container['Name']}.log").read_text().splitlines()
            sys.exit("\n".join([f"error: the container {container['Name']} {text}", *log[-30:]]))

    def end(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
                process.wait()


def split_secret(value):
    """The ARN of a secret and the key of its JSON, from `ValueFrom` of a container."""
    parts = value.split(":")
    return ":".join(parts[:7]), ":".join(parts[7:8])


def free_port():
    """A free port below 32768: Temporal stores ports in a column of two bytes."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_for_port(port, process, limit=60):
    deadline = time.monotonic() + limit
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, f"nothing listens on {port}"
            time.sleep(0.2)


def start_postgres(host, users):
    """Starts Postgres, which accepts only TLS. Returns its port and the certificate to trust."""
    data, port = host.folder / "postgres", free_port()
    data.mkdir()
    run_as = {}
    if os.geteuid() == 0:
        run_as = {"user": "postgres", "group": "postgres"}
        shutil.chown(data, "postgres", "postgres")
        host.folder.chmod(0o755)
    (key, certificate), password = (data / "server.key", data / "server.crt"), data / "password"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate]
        + ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"],
        check=True, capture_output=True, **run_as,
    )
    user, secret = users
    password.write_text(secret)
    password.chmod(0o644)
    cluster = data / "cluster"
    subprocess.run(
        [BIN / "initdb", "--no-sync", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--pgdata", cluster, f"--username={user}", f"--pwfile={password}"],
        check=True, capture_output=True, cwd=data, **run_as,
    )
    (cluster / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
    log = open(host.folder / "postgres.log", "w")
    options = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "ssl=on", f"ssl_cert_file={certificate}", f"ssl_key_file={key}"]
    arguments = [argument for option in options for argument in ("-c", option)]
    process = subprocess.Popen([BIN / "postgres", "-D", cluster, *arguments], stdout=log, stderr=log, cwd=data, **run_as)
    host.processes.append(process)
    wait_for_port(port, process)
    return port, certificate


def check_temporal(host, postgres_port):
    """Temporal as infra/temporal.yaml runs it. Returns the port of its frontend; the server runs on."""
    print("Temporal (infra/temporal.yaml)")
    arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:temporal"
    database = {"DatabaseHost": "localhost", "DatabasePort": str(postgres_port), "DatabaseSecretArn": arn}
    parameters = database | {"VpcCidr": "10.0.0.0/16", "DynamicConfig": "matching.numTaskqueueReadPartitions=4,limit.maxIDLength=255", "HistoryShards": "4"}
    containers = Rendered("infra/temporal.yaml", parameters, {}).containers("Task")
    host.secrets[arn] = {"username": "postgres", "password": "of-the-master-user"}
    programs = ROOT / ".local/temporal-server" / images.tag(ROOT, "temporalio/server")
    host.program("temporal-server", programs / "server")
    host.program("temporal-sql-tool", programs / "sql")
    host.program("temporal", BIN / "temporal")
    # The image's script finds the addresses, and starts the server. Here all is on this machine.
    entry = host.script("entrypoint.sh", "export TEMPORAL_BROADCAST_ADDRESS=127.0.0.1\nexec temporal-server start", host.folder)
    frontend = free_port()
    host.paths |= {
        "/etc/temporal/schema": programs / "schema",
        "/etc/temporal/entrypoint.sh": entry,
        "/tmp/dynamic-config.yaml": host.folder / "dynamic-config.yaml",
        "port 7233": frontend,
    }
    roles = ("MATCHING", "HISTORY", "WORKER")
    ports = {f"{role}_{kind}_PORT": str(free_port()) for role in ("FRONTEND", *roles) for kind in ("GRPC", "MEMBERSHIP")}
    host.machine["server"] = ports | {"FRONTEND_GRPC_PORT": str(frontend), "FRONTEND_HTTP_PORT": str(free_port()), "BIND_ON_IP": "127.0.0.1"}
    host.machine["namespace"] = {"TEMPORAL_ADDRESS": f"127.0.0.1:{frontend}"}

    for _ in range(2):
        host.run(containers["schema"])
    server = host.start(containers["server"])
    host.serve(containers["server"], server)
    for _ in range(2):
        host.run(containers["namespace"])
    return frontend, containers["server"], server


def check_worker(host, postgres_port, certificate, temporal_port):
    """The migrations and the worker as the two roots and infra/worker.yaml run them."""
    print("migrations and worker (infra/worker.yaml)")
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    emulator = subprocess.Popen(
        [BIN / "uvicorn", "ministack.app:app", "--host=127.0.0.1", f"--port={port}", "--log-level=warning"],
        env=os.environ | {"GATEWAY_PORT": str(port), "MINISTACK_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"},
        cwd=host.folder, stdout=open(host.folder / "emulator.log", "w"), stderr=subprocess.STDOUT,
    )
    host.processes.append(emulator)
    wait_for_port(port, emulator)
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}
    session = boto3.Session("test", "test", region_name=REGION)
    secrets = session.client("secretsmanager", endpoint_url=endpoint)
    arns = {}
    for name, content in (("worker", {"username": "orderflow_worker", "password": "of-the-worker"}), ("admin", {"username": "postgres", "password": "of-the-master-user"})):
        arns[name] = secrets.create_secret(Name=name, SecretString=json.dumps(content))["ARN"]
        host.secrets[arns[name]] = content
    stacks = session.client("cloudformation", endpoint_url=endpoint)
    stacks.create_stack(
        StackName="data", TemplateBody=(ROOT / "infra/data.yaml").read_text(), Parameters=[{"ParameterKey": "Name", "ParameterValue": "orderflow"}],
    )
    stacks.get_waiter("stack_create_complete").wait(StackName="data", WaiterConfig={"Delay": 1})
    data = {f"Data.Outputs.{output['OutputKey']}": output["OutputValue"] for output in stacks.describe_stacks(StackName="data")["Stacks"][0]["Outputs"]}
    temporal = Rendered("infra/temporal.yaml", {}, {}).content["Outputs"]["Namespace"]["Value"]["Fn::If"][2]
    attributes = data | {
        "Network.Outputs.PrivateSubnetIds": "subnet-1",
        "Network.Outputs.WorkerSecurityGroupId": "sg-1",
        "Database.Outputs.Host": "localhost",
        "Database.Outputs.Port": str(postgres_port),
        "Database.Outputs.DatabaseName": "orderflow",
        "Database.Outputs.SecretArn": arns["worker"],
        "Database.Outputs.AdminSecretArn": arns["admin"],
        "Temporal.Outputs.HostPort": f"127.0.0.1:{temporal_port}",
        "Temporal.Outputs.Namespace": temporal,
        "Temporal.Outputs.Tls": "false",
        "Web.Outputs.WebUrl": "https://shop.example",
    }
    # The worker needs only some of the foundation's outputs.
    foundation = Rendered("infra/foundation.yaml", {}, collections.defaultdict(str, attributes))
    given = {name: foundation.value(output["Value"]) for name, output in foundation.content["Outputs"].items()}
    passed = Rendered("template.yaml", given | {"WorkerImageTag": "1"}, attributes).passed_to("Worker")
    image = {"Repository": "worker", "Repository.RepositoryUri": "registry/worker", "ConfigurationSet": "orderflow-notices"}
    containers = Rendered("infra/worker.yaml", passed, image).containers("Task")
    host.program("worker", ROOT / "target/debug/worker")
    host.paths["/etc/ssl/certs/rds.pem"] = certificate
    role = keys | {"AWS_ENDPOINT_URL": endpoint}
    host.machine["migrate"] = role
    host.machine["worker"] = role | {"WORKER_PORT": str(free_port())}
    create_database(host, postgres_port, certificate)

    for _ in range(2):
        host.run(containers["migrate"])
    worker = host.start(containers["worker"])
    host.serve(containers["worker"], worker)
    ready = {**containers["worker"], "HealthCheck": {**containers["worker"]["HealthCheck"], "Command": ["CMD", "worker", "healthcheck", "--ready"]}}
    host.serve(ready, worker)
    host.stop(containers["worker"], worker)


def create_database(host, port, certificate):
    """RDS creates the database that infra/database.yaml names."""
    url = f"host=localhost port={port} user=postgres dbname=postgres sslmode=verify-full sslrootcert={certificate}"
    psql = [BIN / "psql", url, "--quiet", "--command", "CREATE DATABASE orderflow"]
    subprocess.run(psql, env=os.environ | {"PGPASSWORD": "of-the-master-user"}, check=True)


def main():
    with tempfile.TemporaryDirectory(prefix="orderflow-containers-") as folder:
        host = Host(folder)
        try:
            port, certificate = start_postgres(host, ("postgres", "of-the-master-user"))
            frontend, container, server = check_temporal(host, port)
            check_worker(host, port, certificate, frontend)
            host.stop(container, server)
        finally:
            host.end()


if __name__ == "__main__":
    main()
