"""The container images that the repository names, and the digests that pin them.

A pinned image is written `name:tag@digest`. In a template it is `name@digest # tag`, because ECS
does not promise to take a tag and a digest together.
"""

import hashlib
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

DIGEST = r"sha256:[0-9a-f]{64}"
NAME = r"(?P<name>[a-z0-9][a-z0-9._/-]*)"
REFERENCE = NAME + rf":(?P<tag>[\w.-]+)(?P<pin>@{DIGEST})?"
# Where images are named. A name without a tag is a stage of the Dockerfile, or an image that the
# compose file builds.
PLACES = {
    "Dockerfile": rf"(?P<before>FROM ){REFERENCE}(?P<after>.*)",
    "docker-compose.yml": rf"(?P<before> +image: (?:&[\w-]+ )?){REFERENCE}(?P<after>.*)",
    ".devcontainer/devcontainer.json": rf'(?P<before> +"image": "){REFERENCE}(?P<after>".*)',
    "infra/*.yaml": rf"(?P<before> +Default: )(?P<name>docker[.]io/[a-z0-9._/-]+)(?::(?P<tag>[\w.-]+)|(?P<pin>@{DIGEST}) # (?P<pinned_tag>[\w.-]+))(?P<after>)",
}
# Not pinned yet: only an image's registry knows its digest, and not every machine reaches the
# registries. Where they can be reached, run infra/pin-images, and delete the images here.
# .github/workflows/release.yml makes no release before. It asks for all of them, also those of the
# compose file's profile `observability`, which a shop runs beside its orders.
UNPINNED = {
    "debian:12.13-slim",
    "docker.io/temporalio/admin-tools:1.31.2",
    "docker.io/temporalio/server:1.31.2",
    "docker.io/temporalio/ui:2.52.0",
    "grafana/grafana:12.4.0",
    "jaegertracing/jaeger:2.13.0",
    "localstack/localstack:4.14.0",
    "mcr.microsoft.com/devcontainers/base:2.1.13-bookworm",
    "node:24.19.0-bookworm-slim",
    "postgres:17.11-bookworm",
    "prom/alertmanager:v0.31.1",
    "prom/prometheus:v3.10.0",
    "rust:1.95.0-slim-bookworm",
    "temporalio/admin-tools:1.31.2",
    "temporalio/server:1.31.2",
    "temporalio/ui:2.52.0",
}
# A list of images, one for each processor architecture.
INDEXES = ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"]
TIMEOUT_S = 20


@dataclass
class Image:
    path: Path
    line: int
    name: str
    tag: str
    digest: str | None
    before: str
    after: str

    @property
    def reference(self):
        return f"{self.name}:{self.tag}"

    def pinned(self, digest):
        """The line with a digest."""
        is_template = self.path.parent.name == "infra"
        image = f"{self.name}@{digest} # {self.tag}" if is_template else f"{self.name}:{self.tag}@{digest}"
        return f"{self.before}{image}{self.after}"


def named(root):
    """The images that the files name."""
    for pattern, form in PLACES.items():
        for path in sorted(root.glob(pattern)):
            for number, line in enumerate(path.read_text().splitlines()):
                if found := re.fullmatch(form, line):
                    parts = found.groupdict()
                    tag = parts["tag"] or parts["pinned_tag"]
                    digest = parts["pin"] and parts["pin"].removeprefix("@")
                    yield Image(path, number, parts["name"], tag, digest, parts["before"], parts["after"])


def tag(root, name):
    """The tag of an image, which is the same wherever it is named."""
    (found,) = {image.tag for image in named(root) if image.name.endswith(name)}
    return found


def pin(root, resolve):
    """Writes the digest that each tag has now. `resolve` says it for a name and a tag."""
    images = list(named(root))
    digests = {reference: resolve(*reference.rsplit(":", 1)) for reference in sorted({image.reference for image in images})}
    for image in images:
        lines = image.path.read_text().splitlines(keepends=True)
        lines[image.line] = image.pinned(digests[image.reference]) + "\n"
        image.path.write_text("".join(lines))
    return digests


def registry_digest(name, tag, open_url=urllib.request.urlopen):
    """The digest of a tag in its registry: of the index, which has an image for each processor."""
    host, _, repository = name.partition("/")
    if "." not in host:
        host, repository = "docker.io", name
    if host == "docker.io":
        host, repository = "registry-1.docker.io", repository if "/" in repository else f"library/{repository}"
    url = f"https://{host}/v2/{repository}/manifests/{tag}"
    headers = {"Accept": ", ".join(INDEXES)}
    try:
        answer = open_url(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != 401:
            raise
        headers["Authorization"] = "Bearer " + token(error.headers["WWW-Authenticate"], open_url)
        answer = open_url(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
    with answer:
        if answer.headers.get_content_type() not in INDEXES:
            raise ValueError(f"{name}:{tag} is for one processor only")
        # The digest is that of the text, whatever the registry says.
        return "sha256:" + hashlib.sha256(answer.read()).hexdigest()


def token(challenge, open_url):
    """The token that a registry demands; anybody gets one."""
    given = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    query = urllib.parse.urlencode({key: given[key] for key in ("service", "scope") if key in given})
    with open_url(urllib.request.Request(f"{given['realm']}?{query}"), timeout=TIMEOUT_S) as answer:
        content = json.load(answer)
    return content.get("token") or content["access_token"]
